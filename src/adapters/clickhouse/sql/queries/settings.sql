-- In one row, which most limits let pass; not as tuples, whose elements some versions name. A bounded setting counts as
-- one that cannot be changed.
SELECT groupArray(name), groupArray(value), groupArray(readonly OR isNotNull(min) OR isNotNull(max))
FROM system.settings

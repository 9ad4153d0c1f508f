-- One row. Arrays, not tuples, whose elements some versions name.
SELECT groupArray([
    database, table, mutation_id, leftUTF8(replaceRegexpAll(latest_fail_reason, '[[:space:]]+', ' '), 200)
])
FROM (
    SELECT * FROM system.mutations
    WHERE database = {database:String} AND NOT is_done AND latest_fail_reason != ''
    ORDER BY create_time, mutation_id
)

-- Keys with rows of several fetched_at, even if the view hides them.
SELECT symbol, datetime, concat(toString(count()), ' rows')
FROM {database}.{table} FINAL
GROUP BY symbol, datetime
HAVING count() > 1
ORDER BY symbol, datetime
LIMIT {most_found};

-- Leaves the row that the view shows.
DELETE FROM {database}.{table}
WHERE (symbol, datetime) IN (
    SELECT symbol, datetime FROM {database}.{table} GROUP BY symbol, datetime HAVING count() > 1
) AND (symbol, datetime, (version, fetched_at)) NOT IN (
    SELECT symbol, datetime, max((version, fetched_at))
    FROM {database}.{table}
    GROUP BY symbol, datetime HAVING count() > 1
)

-- Rows whose key is not the hour of their fetched_at, or whose fetched_at is not a time.
SELECT symbol, datetime, concat('fetched_at is ', fetched_at)
FROM {database}.{table} FINAL
WHERE datetime != concat(substring(fetched_at, 1, 13), ':00:00')
    OR isNull(parseDateTimeOrNull(fetched_at, '%Y-%m-%d %H:%i:%s', 'UTC'))
ORDER BY symbol, datetime
LIMIT {most_found};

DELETE FROM {database}.{table}
WHERE datetime != concat(substring(fetched_at, 1, 13), ':00:00')
    OR isNull(parseDateTimeOrNull(fetched_at, '%Y-%m-%d %H:%i:%s', 'UTC'))

-- Rows of hours after the present one.
SELECT symbol, datetime, concat('fetched_at is ', fetched_at)
FROM {database}.{table} FINAL
WHERE datetime > {present:String}
ORDER BY symbol, datetime
LIMIT {most_found};

DELETE FROM {database}.{table} WHERE datetime > {present:String}

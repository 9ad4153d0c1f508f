SELECT symbol, datetime, concat(toString(count()), ' rows')
FROM {database}.{table} FINAL
GROUP BY symbol, datetime
HAVING count() > 1
ORDER BY symbol, datetime
LIMIT {most_found}

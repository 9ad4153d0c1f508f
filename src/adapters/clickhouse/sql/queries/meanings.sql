-- Rows that another program wrote may have no meaning.
SELECT
    symbol, {meaning}, argMax({label}, datetime), min(datetime) AS first, max(datetime), uniqExact(datetime)
FROM {database}.{table} FINAL
WHERE toString({meaning}) NOT IN ('', '0')
    AND (empty({symbols:Array(String)}) OR has({symbols:Array(String)}, symbol)) AND {named}
GROUP BY symbol, {meaning}
ORDER BY symbol, first, {meaning}

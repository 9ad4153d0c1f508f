SELECT symbol, argMax({meaning}, (datetime, version))
FROM {database}.{table}
WHERE symbol IN {symbols:Array(String)} AND {named}
GROUP BY symbol

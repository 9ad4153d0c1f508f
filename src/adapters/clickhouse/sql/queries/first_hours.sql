SELECT symbol, min(datetime)
FROM {database}.{table}
WHERE symbol IN {symbols:Array(String)} AND {named}
GROUP BY symbol

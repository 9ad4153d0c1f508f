SELECT symbol
FROM {database}.{table}
WHERE symbol IN {symbols:Array(String)}
GROUP BY symbol
HAVING min(datetime) <= {since:String} AND countIf(datetime >= {since:String} AND trades > 0) = 0
    AND (SELECT max(datetime) FROM {database}.{table}) >= {since:String}
ORDER BY symbol

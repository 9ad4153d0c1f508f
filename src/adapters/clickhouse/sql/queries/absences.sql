SELECT symbol, since, until
FROM {database}.{lists}_absences
WHERE symbol IN {symbols:Array(String)}

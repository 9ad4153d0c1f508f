SELECT symbol, groupArray(datetime)
FROM {database}.{table}_hourly
WHERE datetime BETWEEN {first:String} AND {last:String} AND symbol IN {symbols:Array(String)}
    AND isNull({completed_by})
GROUP BY symbol

SELECT symbol, datetime, {meaning}, noted_at, run_id
FROM {database}.{holes} FINAL
WHERE datetime BETWEEN {first:String} AND {last:String} AND symbol IN {symbols:Array(String)}
ORDER BY symbol, datetime

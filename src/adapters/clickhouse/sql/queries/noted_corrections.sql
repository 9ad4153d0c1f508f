-- One row, which no break can cut short unnoticed.
SELECT groupArray((symbol, datetime, last.1, last.2, last.3))
FROM (
    SELECT symbol, datetime, argMax((old_price, new_price, run_id), version) AS last
    FROM {database}.price_corrections
    WHERE table_name = {table:String} AND symbol IN {symbols:Array(String)}
        AND datetime BETWEEN {first:String} AND {last:String}
    GROUP BY symbol, datetime
)

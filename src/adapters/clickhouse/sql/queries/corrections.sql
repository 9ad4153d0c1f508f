SELECT
    table_name, symbol, datetime, old_price, new_price, currency, corrected_at, run_id, old_endpoint, new_endpoint,
    count() OVER ()
FROM {database}.price_corrections
WHERE table_name = '{table}' AND corrected_at >= {since:String}
ORDER BY abs(new_price / old_price - 1) DESC, datetime
LIMIT {most:UInt32}

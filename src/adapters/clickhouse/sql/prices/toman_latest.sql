CREATE OR REPLACE VIEW {database}.{table}_toman_latest{on_cluster}
(
{toman_columns}
)
AS SELECT
    symbol, datetime, time, date_jalali,
/*crypto_prices*/    price_usd,
/*binance_prices*/    price_usdt,
    usdt_toman, price_toman, rate_source, rate_time
FROM {database}.{table}_toman
WHERE (symbol, datetime) IN (SELECT symbol, max(datetime) FROM {database}.{table} GROUP BY symbol)
ORDER BY symbol
COMMENT 'The latest stored hour of each symbol in Toman, of what {table}_toman shows (definition {definition})'

-- Never an older rate: in an hour without one there is no price in Toman.
CREATE OR REPLACE VIEW {database}.{table}_toman{on_cluster}
(
{toman_columns}
)
AS SELECT
    symbol, datetime, time, date_jalali,
/*crypto_prices*/    price AS price_usd,
/*binance_prices*/    price AS price_usdt,
    usdt_toman,
    price * usdt_toman AS price_toman,
    rate_source, rate_time
FROM (
    SELECT symbol, datetime, time, date_jalali, price
    FROM {database}.{table}_hourly
/*crypto_prices*/    WHERE currency = 'USD'
/*binance_prices*/    WHERE currency = 'USDT'
) AS prices
LEFT JOIN {database}.usdt_toman_hourly AS rates USING (datetime)
COMMENT 'Prices in Toman, one row for each row of {table}_hourly in dollars (definition {definition})'

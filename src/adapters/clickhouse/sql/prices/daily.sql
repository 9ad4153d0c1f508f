CREATE OR REPLACE VIEW {database}.{table}_daily{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    date Date COMMENT 'Day in Tehran, from 00:00 to 24:00 by its clock',
{jalali_columns}
{price_columns}
    hours UInt8 COMMENT 'How many hours of the day are stored, of 24 as a rule: hours = 24 selects complete days'
)
AS WITH
{jalali}
SELECT
    symbol,
    date,
    date_jalali, month_jalali, year_jalali, weekday,
    argMin(price, datetime) AS open,
    max(hour_high) AS high,
    min(hour_low) AS low,
    argMax(hour_close, datetime) AS close,
/*binance_prices*/    sum(hour_base) AS volume_base,
/*binance_prices*/    sum(hour_quote) AS volume_quote,
/*binance_prices*/    sum(hour_trades) AS trades,
    argMax(hour_currency, datetime) AS currency,
    count() AS hours
FROM (
    SELECT
        symbol, datetime, date, price,
/*crypto_prices*/        price AS hour_high, price AS hour_low, price AS hour_close,
/*binance_prices*/        ifNull(high, price) AS hour_high, ifNull(low, price) AS hour_low, ifNull(close, price) AS hour_close,
/*binance_prices*/        volume_base AS hour_base, volume_quote AS hour_quote, trades AS hour_trades,
        currency AS hour_currency
    FROM {database}.{table}_hourly
)
GROUP BY symbol, date
COMMENT 'One row for each symbol and day in Tehran, of what {table}_hourly shows (definition {definition})'

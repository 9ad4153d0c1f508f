CREATE OR REPLACE VIEW {database}.binance_prices_daily{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    date Date COMMENT 'Day in Tehran, from 00:00 to 24:00 by its clock',
    open Float64 COMMENT 'First price of the day\'s stored hours',
    high Float64 COMMENT 'Highest price of the day\'s stored hours',
    low Float64 COMMENT 'Lowest price of the day\'s stored hours',
    close Float64 COMMENT 'Last price of the day\'s stored hours',
    hours UInt64 COMMENT 'How many hours of the day are stored, of 24 as a rule'
)
AS SELECT
    symbol,
    toDate(day) AS date,
    argMin(price, datetime) AS open,
    max(price) AS high,
    min(price) AS low,
    argMax(price, datetime) AS close,
    count() AS hours
FROM (SELECT symbol, datetime, substring(datetime, 1, 10) AS day, price FROM {database}.binance_prices_hourly)
GROUP BY symbol, day
COMMENT 'Hourly prices of pairs at Binance, one row for each symbol and day in Tehran, of what binance_prices_hourly shows (definition {definition})'

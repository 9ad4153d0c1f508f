-- One row for each (symbol, datetime): that with the highest version. LIMIT 1 BY reads along the sorting key without
-- holding the table in memory, unlike argMax with GROUP BY; FINAL merges rows with one fetched_at only. Columns made
-- from the key are outside of it, so that ClickHouse filters before it sorts. A filter on datetime or symbol uses the
-- primary key; one on time, time_utc or date reads the column datetime of every row.
-- Until 2022 the hour 23:00 came twice in autumn in Tehran: time is the earlier of the two.
CREATE OR REPLACE VIEW {database}.binance_prices_hourly{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    datetime String
        COMMENT 'Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol',
    date Date COMMENT 'Day that fetched_at lies in, in Tehran',
{jalali_columns}
    time DateTime('Asia/Tehran') COMMENT 'Start of the hour as a time, shown by Tehran\'s clock',
    time_utc DateTime('UTC') COMMENT 'Start of the hour as a time, shown by UTC\'s clock',
    pair String COMMENT 'Pair at Binance that the prices are of, such as BTCUSDT',
    price Float64 COMMENT 'First trade at or after the start of the hour, in units of currency',
    high Nullable(Float64) COMMENT 'Highest trade of the hour, in units of currency; NULL until it is over',
    low Nullable(Float64) COMMENT 'Lowest trade of the hour, in units of currency; NULL until it is over',
    close Nullable(Float64) COMMENT 'Last trade of the hour, in units of currency; NULL until it is over',
    volume_base Nullable(Float64) COMMENT 'Traded of this pair in the hour, in coins; NULL until it is over',
    volume_quote Nullable(Float64)
        COMMENT 'Traded of this pair in the hour, in units of currency; NULL until it is over',
    trades Nullable(Int64) COMMENT 'Number of trades of the hour; NULL until it is over',
    currency String COMMENT 'What prices are in: the quote asset of the pair, such as USDT, which is not USD',
    candles UInt32
        COMMENT 'Half hours that the row is made of: 2; 1 until the hour is over, or where the exchange was down',
    endpoint String COMMENT 'Kind of call that brought the row: klines',
    run_id String COMMENT 'Run that wrote the row last',
    source_updated_at Nullable(String)
        COMMENT 'End of the last candle in the row, Tehran wall time; NULL until the hour is over',
    fetched_at String COMMENT 'Start of the candle that price is from, Tehran wall time, to the second',
    updated_at String COMMENT 'When the row was written last, Tehran wall time, to the second',
    version Int64
        COMMENT 'When the row was inserted, nanoseconds since 1970 by the server\'s clock; the highest stands'
)
AS WITH
{jalali}
SELECT
    symbol,
    datetime,
    toDate(substring(datetime, 1, 10)) AS date,
    date_jalali, month_jalali, year_jalali, weekday,
    toDateTime(datetime, 'Asia/Tehran') AS time,
    toTimeZone(time, 'UTC') AS time_utc,
    pair, price, high, low, close, volume_base, volume_quote, trades, currency, candles, endpoint, run_id,
    source_updated_at, fetched_at, updated_at, version
FROM (
    SELECT
        symbol, datetime,
        pair, price, high, low, close, volume_base, volume_quote, trades, currency, candles, endpoint, run_id,
        source_updated_at, fetched_at, updated_at, version
    FROM {database}.binance_prices
    ORDER BY symbol, datetime, version DESC, fetched_at DESC
    LIMIT 1 BY symbol, datetime
) AS stored
COMMENT 'Hourly prices of pairs at Binance, exactly one row for each symbol and Tehran hour (definition {definition})'

-- fetched_at is already Tehran wall time. The zone UTC in the formula of the key truncates it without shifting it,
-- regardless of the server's zone. ReplacingMergeTree keeps the highest version of the rows with one sorting key.
CREATE TABLE IF NOT EXISTS {database}.binance_prices{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    pair String COMMENT 'Pair at Binance that the prices are of, such as BTCUSDT',
    price Float64 COMMENT 'First trade at or after the start of the hour, in units of currency',
    high Nullable(Float64) COMMENT 'Highest trade of the hour, in units of currency; NULL until it is over',
    low Nullable(Float64) COMMENT 'Lowest trade of the hour, in units of currency; NULL until it is over',
    close Nullable(Float64) COMMENT 'Last trade of the hour, in units of currency; NULL until it is over',
    volume_base Nullable(Float64) COMMENT 'Traded of this pair in the hour, in coins; NULL until it is over',
    volume_quote Nullable(Float64)
        COMMENT 'Traded of this pair in the hour, in units of currency; NULL until it is over',
    trades Nullable(UInt64) COMMENT 'Number of trades of the hour; NULL until it is over',
    currency String COMMENT 'What prices are in: the quote asset of the pair, such as USDT, which is not USD',
    candles UInt32
        COMMENT 'Half hours that the row is made of: 2; 1 until the hour is over, or where the exchange was down',
    endpoint String COMMENT 'Kind of call that brought the row: klines',
    run_id String COMMENT 'Run that wrote the row last',
    source_updated_at Nullable(String)
        COMMENT 'End of the last candle in the row, Tehran wall time; NULL until the hour is over',
    fetched_at String COMMENT 'Start of the candle that price is from, Tehran wall time, to the second',
    updated_at String COMMENT 'When the row was written last, Tehran wall time, to the second',
    version UInt64 DEFAULT toUInt64(toUnixTimestamp64Nano(now64(9)))
        COMMENT 'When the row was inserted, nanoseconds since 1970 by the server\'s clock; the highest stands',
    datetime String MATERIALIZED formatDateTime(toStartOfHour(toDateTime(fetched_at, 'UTC')), '%Y-%m-%d %H:%i:%S', 'UTC')
        COMMENT 'Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol',
    date String MATERIALIZED formatDateTime(toDate(toDateTime(fetched_at, 'UTC')), '%Y-%m-%d')
        COMMENT 'Day that fetched_at lies in, in Tehran, YYYY-MM-DD'
)
ENGINE = {replicated}ReplacingMergeTree(version)
PARTITION BY substring(datetime, 1, 7)
PRIMARY KEY (symbol, datetime)
ORDER BY (symbol, datetime, fetched_at)
{settings}
COMMENT 'Hourly prices of pairs at Binance; read them through binance_prices_hourly'

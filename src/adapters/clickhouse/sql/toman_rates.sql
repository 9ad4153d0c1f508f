-- fetched_at is already Tehran wall time. The zone UTC in the formula of the key truncates it without shifting it,
-- regardless of the server's zone. ReplacingMergeTree keeps the highest version of the rows with one sorting key.
CREATE TABLE IF NOT EXISTS {database}.toman_rates{on_cluster}
(
    symbol String COMMENT 'Exchange that the rate is of: USDT@nobitex or USDT@wallex',
    pair String COMMENT 'Pair at the exchange: USDTIRT or USDTTMN',
    usdt_toman Float64 COMMENT 'Price of one USDT in Toman: the first trade at or after the start of the hour',
    high_toman Nullable(Float64) COMMENT 'Highest trade of the hour, in Toman; NULL until it is over',
    low_toman Nullable(Float64) COMMENT 'Lowest trade of the hour, in Toman; NULL until it is over',
    close_toman Nullable(Float64) COMMENT 'Last trade of the hour, in Toman; NULL until it is over',
    volume_usdt Nullable(Float64) COMMENT 'Traded of this pair in the hour, in USDT; NULL until it is over',
    currency String COMMENT 'What prices are in: IRT, the Toman, which is 10 Rial',
    run_id String COMMENT 'Run that wrote the row last',
    fetched_at String COMMENT 'Start of the candle that usdt_toman is from, Tehran wall time, to the second',
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
COMMENT 'Price of one USDT in Toman by the hour; read it through toman_rates_hourly'

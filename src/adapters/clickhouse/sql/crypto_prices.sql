-- fetched_at is already Tehran wall time. The zone UTC in the formula of the key truncates it without shifting it,
-- regardless of the server's zone. ReplacingMergeTree keeps the highest version of the rows with one sorting key.
CREATE TABLE IF NOT EXISTS {database}.crypto_prices{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    cmc_id UInt32 COMMENT 'CoinMarketCap\'s permanent id of the coin',
    name String COMMENT 'Name of the coin',
    price Float64 COMMENT 'Price of one coin, in units of currency',
    volume_24h Nullable(Float64) COMMENT 'Traded in the 24 hours before, in units of currency; NULL if unknown',
    market_cap Nullable(Float64) COMMENT 'Market capitalization, in units of currency; NULL if unknown',
    percent_change_1h Nullable(Float64) COMMENT 'Change of price over 1 hour, in percent; NULL if unknown',
    percent_change_24h Nullable(Float64) COMMENT 'Change of price over 24 hours, in percent; NULL if unknown',
    percent_change_7d Nullable(Float64) COMMENT 'Change of price over 7 days, in percent; NULL if unknown',
    cmc_rank Nullable(UInt32) COMMENT 'Rank by market capitalization, 1 is the largest; NULL if unknown',
    currency String COMMENT 'Currency of price, volume_24h and market_cap, such as USD',
    endpoint String COMMENT 'Kind of call that brought the row: latest or historical',
    run_id String COMMENT 'Run that wrote the row last',
    source_updated_at Nullable(String) COMMENT 'When the source updated the quote, Tehran wall time; NULL if unknown',
    fetched_at String COMMENT 'When the key\'s first price was observed, Tehran wall time, to the second',
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
COMMENT 'Hourly cryptocurrency prices; read them through crypto_prices_hourly'

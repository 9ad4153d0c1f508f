-- One row for each (symbol, datetime): that with the highest version. LIMIT 1 BY reads along the sorting key without
-- holding the table in memory, unlike argMax with GROUP BY; FINAL merges rows with one fetched_at only. Columns made
-- from the key are outside of it, so that ClickHouse filters before it sorts. A filter on datetime or symbol uses the
-- primary key; one on time, time_utc or date reads the column datetime of every row.
-- Until 2022 the hour 23:00 came twice in autumn in Tehran: time is the earlier of the two.
CREATE OR REPLACE VIEW {database}.crypto_prices_hourly{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    datetime String
        COMMENT 'Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol',
    date Date COMMENT 'Day that fetched_at lies in, in Tehran',
{jalali_columns}
    time DateTime('Asia/Tehran') COMMENT 'Start of the hour as a time, shown by Tehran\'s clock',
    time_utc DateTime('UTC') COMMENT 'Start of the hour as a time, shown by UTC\'s clock',
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
    cmc_id, name, price, volume_24h, market_cap, percent_change_1h, percent_change_24h, percent_change_7d, cmc_rank,
    currency, endpoint, run_id, source_updated_at, fetched_at, updated_at, version
FROM (
    SELECT
        symbol, datetime,
        cmc_id, name, price, volume_24h, market_cap, percent_change_1h, percent_change_24h, percent_change_7d,
        cmc_rank, currency, endpoint, run_id, source_updated_at, fetched_at, updated_at, version
    FROM {database}.crypto_prices
    WHERE (symbol, cmc_id) NOT IN (
        SELECT symbol, cmc_id FROM {database}.crypto_renames FINAL WHERE renamed_to != symbol
    )
    ORDER BY symbol, datetime, version DESC, fetched_at DESC
    LIMIT 1 BY symbol, datetime
) AS stored
COMMENT 'Hourly cryptocurrency prices, exactly one row for each symbol and Tehran hour (definition {definition})'

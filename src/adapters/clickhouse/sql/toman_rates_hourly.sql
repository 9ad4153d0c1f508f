-- One row for each (symbol, datetime): that with the highest version. LIMIT 1 BY reads along the sorting key without
-- holding the table in memory, unlike argMax with GROUP BY; FINAL merges rows with one fetched_at only. Columns made
-- from the key are outside of it, so that ClickHouse filters before it sorts. A filter on datetime or symbol uses the
-- primary key; one on time, time_utc or date reads the column datetime of every row.
-- Until 2022 the hour 23:00 came twice in autumn in Tehran: time is the earlier of the two.
CREATE OR REPLACE VIEW {database}.toman_rates_hourly{on_cluster}
(
    symbol String COMMENT 'Exchange that the rate is of: USDT@nobitex or USDT@wallex',
    datetime String
        COMMENT 'Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol',
    date Date COMMENT 'Day that fetched_at lies in, in Tehran',
{jalali_columns}
    time DateTime('Asia/Tehran') COMMENT 'Start of the hour as a time, shown by Tehran\'s clock',
    time_utc DateTime('UTC') COMMENT 'Start of the hour as a time, shown by UTC\'s clock',
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
    pair, usdt_toman, high_toman, low_toman, close_toman, volume_usdt, currency, run_id, fetched_at, updated_at, version
FROM (
    SELECT
        symbol, datetime,
        pair, usdt_toman, high_toman, low_toman, close_toman, volume_usdt, currency, run_id, fetched_at, updated_at, version
    FROM {database}.toman_rates
    ORDER BY symbol, datetime, version DESC, fetched_at DESC
    LIMIT 1 BY symbol, datetime
) AS stored
COMMENT 'Price of one USDT in Toman, exactly one row for each symbol and Tehran hour (definition {definition})'

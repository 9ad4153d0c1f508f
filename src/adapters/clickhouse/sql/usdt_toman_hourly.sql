-- The rate of each hour is Nobitex's, which comes first by name, else Wallex's.
CREATE OR REPLACE VIEW {database}.usdt_toman_hourly{on_cluster}
(
    datetime String COMMENT 'Start of the hour, Tehran wall time',
    usdt_toman Nullable(Float64) COMMENT 'Price of one USDT in Toman',
    rate_source String COMMENT 'Where the rate is from: nobitex or wallex',
    rate_time Nullable(DateTime('Asia/Tehran')) COMMENT 'When the rate was first traded at in the hour'
)
AS SELECT
    datetime,
    toNullable(usdt_toman) AS usdt_toman,
    substring(symbol, 6) AS rate_source,
    toNullable(toDateTime(fetched_at, 'Asia/Tehran')) AS rate_time
FROM (
    SELECT datetime, symbol, usdt_toman, fetched_at
    FROM {database}.toman_rates_hourly
    ORDER BY datetime, symbol
    LIMIT 1 BY datetime
) AS stored
COMMENT 'Price of one USDT in Toman, one row for each stored Tehran hour (definition {definition})'

-- Finds the latest key of each symbol by the key columns alone, then reads four keys of each symbol.
CREATE OR REPLACE VIEW {database}.crypto_prices_latest{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    datetime String
        COMMENT 'Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol',
    time DateTime('Asia/Tehran') COMMENT 'Start of the hour as a time, shown by Tehran\'s clock',
    time_utc DateTime('UTC') COMMENT 'Start of the hour as a time, shown by UTC\'s clock',
    price Float64 COMMENT 'Price of one coin, in units of currency',
    percent_change_1h Nullable(Float64)
        COMMENT 'Change from the stored price of 1 hour before, in percent; NULL if that hour is not stored',
    percent_change_24h Nullable(Float64)
        COMMENT 'Change from the stored price of 24 hours before, in percent; NULL if that hour is not stored',
    percent_change_7d Nullable(Float64)
        COMMENT 'Change from the stored price of 7 days before, in percent; NULL if that hour is not stored'
)
AS SELECT
    symbol,
    keys[1] AS datetime,
    toDateTime(datetime, 'Asia/Tehran') AS time,
    toTimeZone(time, 'UTC') AS time_utc,
    values[1] AS price,
    if(
        has(keys, toString(toDateTime(datetime, 'Asia/Tehran') - 3600)),
        (values[1] / values[indexOf(keys, toString(toDateTime(datetime, 'Asia/Tehran') - 3600))] - 1) * 100,
        NULL
    ) AS percent_change_1h,
    if(
        has(keys, toString(toDateTime(datetime, 'Asia/Tehran') - 86400)),
        (values[1] / values[indexOf(keys, toString(toDateTime(datetime, 'Asia/Tehran') - 86400))] - 1) * 100,
        NULL
    ) AS percent_change_24h,
    if(
        has(keys, toString(toDateTime(datetime, 'Asia/Tehran') - 604800)),
        (values[1] / values[indexOf(keys, toString(toDateTime(datetime, 'Asia/Tehran') - 604800))] - 1) * 100,
        NULL
    ) AS percent_change_7d
FROM (
    SELECT
        symbol,
        arrayReverseSort(groupArray((datetime, of_hour))) AS stored,
        tupleElement(stored, 1) AS keys,
        tupleElement(stored, 2) AS values
    FROM (SELECT symbol, datetime, price AS of_hour FROM {database}.crypto_prices_hourly)
    WHERE (symbol, datetime) IN (
        SELECT symbol, arrayJoin([
            datetime,
            toString(toDateTime(datetime, 'Asia/Tehran') - 3600),
            toString(toDateTime(datetime, 'Asia/Tehran') - 86400),
            toString(toDateTime(datetime, 'Asia/Tehran') - 604800)
        ])
        FROM (SELECT symbol, max(datetime) AS datetime FROM {database}.crypto_prices GROUP BY symbol)
    )
    GROUP BY symbol
)
ORDER BY symbol
COMMENT 'Hourly cryptocurrency prices, the latest stored hour of each symbol, of what crypto_prices_hourly shows (definition {definition})'

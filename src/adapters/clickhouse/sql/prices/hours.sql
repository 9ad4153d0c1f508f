-- Each stored hour is followed by the missing ones up to the next stored hour: arrayJoin makes a row of each. Seconds
-- since 1970 stand for an hour; until 2022 the hour 23:00 came twice in autumn in Tehran, and the earlier one stands for
-- both. A symbol without a row for 30 days is no longer followed, so its hours end with its last row.
CREATE OR REPLACE VIEW {database}.{table}_hours{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    datetime String COMMENT 'Start of the hour, Tehran wall time; key together with symbol',
    time DateTime('Asia/Tehran') COMMENT 'Start of the hour as a time, shown by Tehran\'s clock',
    price Nullable(Float64) COMMENT 'As in {table}_hourly; NULL if the hour is not stored',
    state String COMMENT 'stored, missing, or source has none'
)
AS SELECT
    symbol,
    toString(toDateTime(hour, 'Asia/Tehran')) AS datetime,
    toDateTime(hour, 'Asia/Tehran') AS time,
    if(hour = start, stored_price, NULL) AS price,
    multiIf(hour = start, 'stored', (symbol, datetime) IN (
/*crypto_prices*/        SELECT symbol, datetime FROM {database}.crypto_price_holes FINAL
/*crypto_prices*/        WHERE noted_at LIKE '% and %' AND (symbol, cmc_id) IN (
/*crypto_prices*/            SELECT symbol, argMax(cmc_id, (datetime, version)) FROM {database}.crypto_prices
/*crypto_prices*/            WHERE symbol IN (SELECT symbol FROM {database}.crypto_price_holes) GROUP BY symbol
/*binance_prices*/        SELECT symbol, datetime FROM {database}.binance_price_holes FINAL
/*binance_prices*/        WHERE noted_at LIKE '% and %' AND (symbol, pair) IN (
/*binance_prices*/            SELECT symbol, argMax(pair, (datetime, version)) FROM {database}.binance_prices
/*binance_prices*/            WHERE symbol IN (SELECT symbol FROM {database}.binance_price_holes) GROUP BY symbol
        )
    ), 'source has none', 'missing') AS state
FROM (
    WITH
        toUnixTimestamp(toStartOfHour(now(), 'Asia/Tehran')) AS present,
        multiIf(next > 0, least(next, present), start + 2592000 >= present, present, start + 3600) AS until
    SELECT symbol, stored_price, start, arrayJoin(arrayConcat([start], arrayFilter(
        hour -> toHour(toDateTime(hour, 'Asia/Tehran')) != toHour(toDateTime(hour - 3600, 'Asia/Tehran')),
        range(start + 3600, until, 3600)
    ))) AS hour
    FROM (
        SELECT symbol, stored_price, start, leadInFrame(start, 1, 0) OVER (
            PARTITION BY symbol ORDER BY start ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
        ) AS next
        FROM (
            SELECT symbol, price AS stored_price, toUnixTimestamp(time) AS start
            FROM {database}.{table}_hourly
        )
    )
    WHERE start < present
) AS expected
/*crypto_prices*/WHERE hour = start OR NOT arrayExists(
/*crypto_prices*/    span -> datetime >= span.1 AND datetime <= span.2,
/*crypto_prices*/    (
/*crypto_prices*/        SELECT mapFromArrays(groupArray(symbol), groupArray(spans)) FROM (
/*crypto_prices*/            SELECT symbol, groupArray((since, until)) AS spans
/*crypto_prices*/            FROM {database}.crypto_prices_absences
/*crypto_prices*/            GROUP BY symbol
/*crypto_prices*/        )
/*crypto_prices*/    )[symbol]
/*crypto_prices*/)
COMMENT 'Every expected hour of each symbol, from its first stored hour to the last that is over (definition {definition})'

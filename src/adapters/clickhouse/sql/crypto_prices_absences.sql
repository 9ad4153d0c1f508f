-- When a coin that a list of the largest held is not expected: before its first row, and from 24 hours after the last list
-- that held it until its next row; but only if a list was stored meanwhile, which did not hold it. If the coin was out of
-- the first such list for longer than 24 hours, none of the hours before is expected either. Seconds since 1970 stand for
-- an hour. A backfill of an hour turns its rows into historical ones, after which no list is known of that hour.
CREATE OR REPLACE VIEW {database}.crypto_prices_absences{on_cluster}
(
    symbol String COMMENT 'Ticker of a coin that a list of the largest coins once held',
    since String COMMENT 'First hour in which it is not expected, Tehran wall time; empty before its first stored hour',
    until String COMMENT 'Last hour in which it is not expected, Tehran wall time; 9999 if it has not come back'
)
AS WITH
    (
        SELECT arraySort(groupUniqArray(toUnixTimestamp(toDateTime(datetime, 'Asia/Tehran'))))
        FROM {database}.crypto_prices
        WHERE endpoint = 'listings'
    ) AS lists
SELECT
    symbol,
    if(next_start < start, '', toString(toDateTime(begin, 'Asia/Tehran'))) AS since,
    multiIf(
        next_start < start, toString(toDateTime(start - 3600, 'Asia/Tehran')),
        next_start = 4294967295, '9999',
        toString(toDateTime(next_start - 3600, 'Asia/Tehran'))
    ) AS until
FROM (
    SELECT
        symbol, start, next_start,
        arrayFirst(hour -> hour > start, lists) AS heard,
        if(heard > listed + 86400, start, greatest(start, listed + 86400)) + 3600 AS begin
    FROM (
        SELECT
            symbol, start,
            leadInFrame(start, 1, toUInt32(4294967295)) OVER (
                PARTITION BY symbol ORDER BY start ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
            ) AS next_start,
            maxIf(start, is_listed) OVER (
                PARTITION BY symbol ORDER BY start ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS listed
        FROM (
            SELECT symbol, toUnixTimestamp(toDateTime(datetime, 'Asia/Tehran')) AS start, endpoint = 'listings' AS is_listed
            FROM {database}.crypto_prices
            WHERE symbol IN (SELECT symbol FROM {database}.crypto_prices WHERE endpoint = 'listings')
        )
    )
    WHERE listed > 0 AND next_start > start + 3600
    UNION ALL
    SELECT symbol, min(toUnixTimestamp(toDateTime(datetime, 'Asia/Tehran'))) AS start, toUInt32(0), start - 3600, start
    FROM {database}.crypto_prices
    WHERE symbol IN (SELECT symbol FROM {database}.crypto_prices WHERE endpoint = 'listings')
    GROUP BY symbol
)
WHERE next_start < start OR (heard > 0 AND heard < next_start AND begin < next_start)
COMMENT 'When a coin was out of the list of the largest coins, so that no hour of it is expected (definition {definition})'

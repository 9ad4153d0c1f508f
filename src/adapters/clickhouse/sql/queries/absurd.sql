-- A value is absurd if it is 100 times above or below the median of itself and its two neighbors on either side, or
-- that of the three before it, since a wrong level may stay. After a pause of a week a factor of 5 counts: a pair that
-- comes back at another level may be another coin. Only a column of another type can hold a NULL.
SELECT symbol, datetime, concat('{value} ', ifNull(toString({value}), 'NULL'), multiIf(
    is_off_neighbors, concat(', its neighbors are about ', toString(around)),
    is_off_earlier, concat(', before it about ', toString(earlier), ' until ', until),
    ''
))
FROM (
    SELECT
        symbol, datetime, {value}, around, earlier, until,
        around > 0 AND ({value} > factor * around OR {value} * factor < around) AS is_off_neighbors,
        earlier > 0 AND ({value} > factor * earlier OR {value} * factor < earlier) AS is_off_earlier
    FROM (
        SELECT
            symbol, datetime, {value},
            medianExact({value}) OVER (
                PARTITION BY symbol ORDER BY datetime ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING
            ) AS around,
            medianExact({value}) OVER (
                PARTITION BY symbol ORDER BY datetime ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING
            ) AS earlier,
            maxIf(datetime, {is_traded}) OVER (
                PARTITION BY symbol ORDER BY datetime ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS until,
            if(dateDiff(
                'day',
                parseDateTimeOrNull(until, '%Y-%m-%d %H:%i:%s', 'UTC'),
                parseDateTimeOrNull(datetime, '%Y-%m-%d %H:%i:%s', 'UTC')
            ) >= 7, 5, 100) AS factor
        FROM {database}.{table} FINAL
        WHERE {named} AND datetime >= {first:String}
    )
)
WHERE isNull({value}) OR NOT isFinite({value}) OR {value} <= 0 OR is_off_neighbors OR is_off_earlier
ORDER BY symbol, datetime
LIMIT {most_found}

SELECT symbol, before, datetime
FROM (
    SELECT symbol, datetime, lagInFrame(datetime, 1, '') OVER (
        PARTITION BY symbol ORDER BY datetime ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    ) AS before
    FROM {database}.{table}
    WHERE symbol IN {symbols:Array(String)} AND {named} AND datetime <= {last:String}
        AND isNotNull(parseDateTimeOrNull(datetime, '%Y-%m-%d %H:%i:%s', 'UTC'))
)
WHERE before != '' AND dateDiff(
    'hour',
    parseDateTimeOrNull(before, '%Y-%m-%d %H:%i:%s', 'UTC'),
    parseDateTimeOrNull(datetime, '%Y-%m-%d %H:%i:%s', 'UTC')
) > 1
ORDER BY symbol, datetime
LIMIT {most_found}

-- The highest of several versions of an hour comes last. In a tuple, because argMax skips NULL.
SELECT
    symbol,
    groupUniqArray(datetime),
    max(datetime),
    argMax(tuple(if(isFinite({value}), {value}, NULL) AS finite), (datetime, version)).1,
    arraySort(groupArrayIf((datetime, version, fetched_at, finite), datetime >= {valued_from:String}))
FROM {database}.{table}
WHERE datetime BETWEEN {first:String} AND {last:String} AND symbol IN {symbols:Array(String)} AND {named}
GROUP BY symbol

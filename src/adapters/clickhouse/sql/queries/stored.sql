-- The highest of several versions of an hour comes last.
SELECT
    symbol,
    groupUniqArray(datetime),
    max(datetime),
    argMax({value}, (datetime, version)),
    arraySort(groupArrayIf((datetime, version, fetched_at, {value}), datetime >= {valued_from:String}))
FROM {database}.{table}
WHERE datetime BETWEEN {first:String} AND {last:String} AND symbol IN {symbols:Array(String)} AND {named}
GROUP BY symbol

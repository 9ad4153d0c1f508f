SELECT DISTINCT symbol
FROM {database}.{table}
WHERE datetime BETWEEN {first:String} AND {last:String} AND {named}

-- One statement, so that all of it is of one moment and of one server. It has the SELECTs of the views, in the order of
-- the names, which this server formats as it formats those of its views, before the join repeats a view for each column.
SELECT t.*, c.name, c.type, c.default_kind, c.default_expression
FROM (
    SELECT
        name, engine, partition_key, primary_key, sorting_key, comment,
        replaceRegexpAll(as_select, '[ `]', '') = replaceRegexpAll(
            formatQuerySingleLineOrNull(arrayElement([{selects}], indexOf({names:Array(String)}, name))), '[ `]', ''
        ),
        arrayStringConcat(arrayDistinct(extractAll(as_select, '(?:FROM|JOIN) ([^ .(]+)[.]')), ', ')
    FROM system.tables
    WHERE database = {database:String} AND name IN {names:Array(String)}
) AS t
LEFT JOIN (
    SELECT table, name, type, default_kind, default_expression
    FROM system.columns
    WHERE database = {database:String} AND table IN {names:Array(String)}
) AS c ON c.table = t.name

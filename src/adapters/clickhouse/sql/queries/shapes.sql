-- One statement, so that all of it is of one moment and of one server. It has the SELECTs of the views, in the order of
-- the names, which this server formats as it formats those of its views.
SELECT
    t.name, t.engine, t.partition_key, t.primary_key, t.sorting_key, t.comment,
    replaceRegexpAll(t.as_select, '[ `]', '') = replaceRegexpAll(
        formatQuerySingleLineOrNull(arrayElement([{selects}], indexOf({names:Array(String)}, t.name))), '[ `]', ''
    ),
    arrayStringConcat(arrayDistinct(extractAll(t.as_select, '(?:FROM|JOIN) ([^ .(]+)[.]')), ', '),
    c.name, c.type, c.default_kind, c.default_expression
FROM (
    SELECT * FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}
) AS t
LEFT JOIN (
    SELECT * FROM system.columns WHERE database = {database:String} AND table IN {names:Array(String)}
) AS c ON c.table = t.name

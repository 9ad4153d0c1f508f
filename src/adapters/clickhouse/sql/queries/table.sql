-- Its engine, its clauses, and the views that depend on it.
SELECT
    engine, engine_full,
    arrayMap((one, name) -> concat(one, '.', name), dependencies_database, dependencies_table)
FROM system.tables
WHERE database = {database:String} AND name = {name:String}

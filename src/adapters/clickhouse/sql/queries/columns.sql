SELECT c.table, c.name, c.type, c.comment
FROM system.columns AS c
WHERE c.database = {database:String}
ORDER BY c.table, c.position

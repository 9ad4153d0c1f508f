-- One row, so that all of it is of one server.
SELECT
    (SELECT engine FROM system.databases WHERE name = {database:String}),
    (SELECT value FROM system.settings WHERE name = 'cloud_mode'),
    (SELECT count() FROM system.macros WHERE macro = 'replica'),
    (
        SELECT groupArray([cluster, toString(shards), toString(replicas), toString(here)])
        FROM (
            SELECT
                cluster, uniqExact(shard_num) AS shards, max(replica_num) AS replicas, max(is_local) AS here
            FROM system.clusters
            GROUP BY cluster
            ORDER BY cluster
        )
    ),
    (SELECT max(total_replicas) FROM system.replicas WHERE database = {database:String}),
    {stuck}

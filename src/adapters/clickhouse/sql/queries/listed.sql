SELECT symbol, argMax(cmc_id, (datetime, version))
FROM {database}.{lists}
WHERE endpoint = 'listings' AND datetime >= {since:String}
GROUP BY symbol
ORDER BY argMax(ifNull(cmc_rank, 4294967295), (datetime, version)), symbol

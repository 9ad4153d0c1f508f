CREATE TABLE IF NOT EXISTS {database}.crypto_renames{on_cluster}
(
    symbol String COMMENT 'Ticker that the coin had before',
    cmc_id UInt32 COMMENT 'CoinMarketCap\'s permanent id of the coin',
    renamed_to String COMMENT 'Ticker that its prices were copied to; symbol itself if the coin has got it back',
    renamed_at String COMMENT 'When, Tehran wall time'
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (symbol, cmc_id)
COMMENT 'Coins whose ticker changed: the views leave out their prices under the old one'

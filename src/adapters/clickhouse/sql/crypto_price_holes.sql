CREATE TABLE IF NOT EXISTS {database}.crypto_price_holes{on_cluster}
(
    symbol String COMMENT 'Ticker, as in crypto_prices',
    datetime String COMMENT 'Start of the hour without a quote, Tehran wall time',
    cmc_id UInt64 COMMENT 'Coin that was asked for under the ticker',
    noted_at String COMMENT 'When it was found, Tehran wall time',
    run_id String COMMENT 'Run that found it'
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (symbol, datetime)
COMMENT 'Hours for which the source itself had no quote'

CREATE TABLE IF NOT EXISTS {database}.binance_price_holes{on_cluster}
(
    symbol String COMMENT 'Ticker, as in binance_prices',
    datetime String COMMENT 'Start of the hour without a candle, Tehran wall time',
    pair String COMMENT 'Pair that was asked for under the ticker',
    noted_at String COMMENT 'When it was found, Tehran wall time',
    run_id String COMMENT 'Run that found it'
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (symbol, datetime)
COMMENT 'Hours for which the source itself had no quote'

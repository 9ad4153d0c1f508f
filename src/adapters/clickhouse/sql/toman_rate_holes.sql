-- A row is a hole only if noted_at LIKE '% and %' (two runs, at least a day apart, found the same) and pair is what the
-- symbol means. Until then the hour is missing. A price that is stored later counts.
CREATE TABLE IF NOT EXISTS {database}.toman_rate_holes{on_cluster}
(
    symbol String COMMENT 'Exchange, as in toman_rates',
    datetime String COMMENT 'Start of the hour without a rate, Tehran wall time',
    pair String COMMENT 'Pair that was asked for at the exchange',
    noted_at String COMMENT 'When it was found, Tehran wall time; a second time after and, which makes it certain',
    run_id String COMMENT 'Latest run that found it'
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (symbol, datetime)
COMMENT 'Hours for which the source itself had no rate'

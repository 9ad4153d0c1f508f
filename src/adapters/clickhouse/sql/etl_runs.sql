CREATE TABLE IF NOT EXISTS {database}.etl_runs{on_cluster}
(
    run_id String COMMENT 'Run, as in crypto_prices.run_id and in the log',
    job String COMMENT 'Name of the job',
    kind String COMMENT 'run, backfill or heal; older versions also wrote replay',
    started_at String COMMENT 'When it began, Tehran wall time',
    finished_at String COMMENT 'When it ended, Tehran wall time; as started_at for a run that was killed',
    status String COMMENT 'ok, failed, or busy if another run of the job held the lock',
    extracted UInt64 COMMENT 'Quotes that the source gave',
    inserted UInt64 COMMENT 'Keys that were new',
    updated UInt64 COMMENT 'Keys that were there with other values',
    unchanged UInt64 COMMENT 'Keys that were there with the same values',
    replayed UInt64 COMMENT 'Rows of earlier runs, stored by this one',
    rejected UInt64 COMMENT 'Quotes that were not stored',
    hours_asked UInt64 COMMENT 'Pairs of symbol and hour that the source was asked for',
    without_quote UInt64 COMMENT 'Those of hours_asked for which the source gave no price',
    calls UInt64 COMMENT 'HTTP calls to the source, retries included',
    credits UInt64 COMMENT 'Credits that the source charged',
    error String COMMENT 'Why it failed or was busy, in one line; empty for a good run',
    host String COMMENT 'Machine that it ran on',
    version String COMMENT 'Version of the program'
)
ENGINE = {replicated}MergeTree
ORDER BY (job, started_at, run_id)
TTL toDateTime(started_at, 'UTC') + toIntervalDay({keep_days})
COMMENT 'Every run of every job, failures too'

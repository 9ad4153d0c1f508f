-- A row for each update that replaced the price of an hour that was over, written before the update. What a table said on
-- a day: for each key the old_price of the first correction after it, or else the stored price.
CREATE TABLE IF NOT EXISTS {database}.price_corrections{on_cluster}
(
    table_name String COMMENT 'Table of the price, such as crypto_prices',
    symbol String COMMENT 'Ticker, as in that table',
    datetime String COMMENT 'Start of the hour, Tehran wall time',
    old_price Float64 COMMENT 'What the table said before, in units of currency',
    new_price Float64 COMMENT 'What it says since, in units of currency',
    currency String COMMENT 'What new_price is in; empty if the table does not say',
    corrected_at String COMMENT 'When the price was replaced, Tehran wall time, to the second',
    run_id String COMMENT 'Run that replaced it',
    old_endpoint String COMMENT 'Kind of call that brought old_price, such as latest',
    new_endpoint String COMMENT 'Kind of call that brought new_price, such as historical',
    version UInt64 DEFAULT toUInt64(toUnixTimestamp64Nano(now64(9)))
        COMMENT 'When the row was inserted, nanoseconds since 1970 by the server\'s clock'
)
ENGINE = {replicated}MergeTree
ORDER BY (table_name, symbol, datetime, version)
{settings}
COMMENT 'Prices that a later run replaced, once the hour was over'

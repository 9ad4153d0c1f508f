-- Finds the latest key of each symbol by the key columns alone, then reads four keys of each symbol.
CREATE OR REPLACE VIEW {database}.{table}_latest{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    datetime String
        COMMENT 'Start of the hour that fetched_at lies in, Tehran wall time; key of the row together with symbol',
    time DateTime('Asia/Tehran') COMMENT 'Start of the hour as a time, shown by Tehran\'s clock',
    time_utc DateTime('UTC') COMMENT 'Start of the hour as a time, shown by UTC\'s clock',
/*crypto_prices*/    name String COMMENT 'Name of the coin',
/*binance_prices*/    pair String COMMENT 'Pair at Binance that the prices are of, such as BTCUSDT',
    price Float64 COMMENT 'As in {table}_hourly, in units of currency',
    currency String COMMENT 'What the prices are in, such as USD or USDT',
    change_1h_percent Nullable(Float64)
        COMMENT 'Change from the stored price of 1 hour before, in percent; NULL if that hour is not stored',
    change_24h_percent Nullable(Float64)
        COMMENT 'Change from the stored price of 24 hours before, in percent; NULL if that hour is not stored',
    change_7d_percent Nullable(Float64)
        COMMENT 'Change from the stored price of 7 days before, in percent; NULL if that hour is not stored',
/*crypto_prices*/    market_cap Nullable(Float64) COMMENT 'Market capitalization, in units of currency; NULL if unknown',
/*crypto_prices*/    volume_24h Nullable(Float64) COMMENT 'Traded in the 24 hours before, in units of currency; NULL if unknown'
/*binance_prices*/    volume_base Nullable(Float64) COMMENT 'Traded of this pair in the hour, in coins; NULL until it is over',
/*binance_prices*/    volume_quote Nullable(Float64)
/*binance_prices*/        COMMENT 'Traded of this pair in the hour, in units of currency; NULL until it is over'
)
AS SELECT
    symbol,
    hour AS datetime,
    toDateTime(hour, 'Asia/Tehran') AS time,
    toTimeZone(time, 'UTC') AS time_utc,
/*crypto_prices*/    last.1 AS name,
/*binance_prices*/    last.1 AS pair,
    prices[hour] AS price,
    last.2 AS currency,
    (price / nullIf(prices[toString(time - 3600)], 0) - 1) * 100 AS change_1h_percent,
    (price / nullIf(prices[toString(time - 86400)], 0) - 1) * 100 AS change_24h_percent,
    (price / nullIf(prices[toString(time - 604800)], 0) - 1) * 100 AS change_7d_percent,
/*crypto_prices*/    last.3 AS market_cap,
/*crypto_prices*/    last.4 AS volume_24h
/*binance_prices*/    last.3 AS volume_base,
/*binance_prices*/    last.4 AS volume_quote
FROM (
    SELECT
        symbol,
        max(datetime) AS hour,
        mapFromArrays(groupArray(datetime), groupArray(of_hour)) AS prices,
        argMax(of_row, datetime) AS last
    FROM (
        SELECT
            symbol, datetime, price AS of_hour,
/*crypto_prices*/            (name, currency, market_cap, volume_24h) AS of_row
/*binance_prices*/            (pair, currency, volume_base, volume_quote) AS of_row
        FROM {database}.{table}_hourly
    )
    WHERE (symbol, datetime) IN (
        SELECT symbol, arrayJoin([
            datetime,
            toString(toDateTime(datetime, 'Asia/Tehran') - 3600),
            toString(toDateTime(datetime, 'Asia/Tehran') - 86400),
            toString(toDateTime(datetime, 'Asia/Tehran') - 604800)
        ])
        FROM (SELECT symbol, max(datetime) AS datetime FROM {database}.{table} GROUP BY symbol)
    )
    GROUP BY symbol
)
ORDER BY symbol
COMMENT 'The latest stored hour of each symbol, of what {table}_hourly shows (definition {definition})'

    argMin(day_open, date) AS open,
    max(day_high) AS high,
    min(day_low) AS low,
    argMax(day_close, date) AS close,
/*binance_prices*/    sum(day_base) AS volume_base,
/*binance_prices*/    sum(day_quote) AS volume_quote,
/*binance_prices*/    sum(day_trades) AS trades,
    argMax(day_currency, date) AS currency,
    sum(day_hours) AS hours,
    sum(day_expected) AS hours_expected
FROM (
    SELECT
        symbol, date, toNullable(open) AS day_open, high AS day_high, low AS day_low, close AS day_close,
/*binance_prices*/        volume_base AS day_base, volume_quote AS day_quote, trades AS day_trades,
        currency AS day_currency, 0 AS day_hours, 0 AS day_expected
    FROM {database}.{table}_daily
    UNION ALL
    -- Days without a stored hour, too.
    SELECT
        symbol, toDate(substring(datetime, 1, 10)) AS date, NULL, NULL, NULL, NULL,
/*binance_prices*/        NULL, NULL, NULL,
        NULL, countIf(state = 'stored'), count()
    FROM {database}.{table}_hours
    GROUP BY symbol, date
)

CREATE OR REPLACE VIEW {database}.{table}_toman_daily{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    date Date COMMENT 'Day in Tehran, from 00:00 to 24:00 by its clock',
    date_jalali String COMMENT 'The day in the Jalali calendar, YYYY-MM-DD',
    open_toman Float64 COMMENT 'First price of the hours that have one in Toman',
    high_toman Float64 COMMENT 'Highest price of these hours',
    low_toman Float64 COMMENT 'Lowest price of these hours',
    close_toman Float64 COMMENT 'Price of the last of these hours, taken at its beginning',
    hours UInt8 COMMENT 'How many hours of the day have a price in Toman, of 24 as a rule'
)
AS SELECT
    symbol,
    toDate(substring(datetime, 1, 10)) AS date,
    any(date_jalali) AS date_jalali,
    argMin(of_hour, datetime) AS open_toman,
    max(of_hour) AS high_toman,
    min(of_hour) AS low_toman,
    argMax(of_hour, datetime) AS close_toman,
    count() AS hours
FROM (
    SELECT symbol, datetime, date_jalali, assumeNotNull(price_toman) AS of_hour
    FROM {database}.{table}_toman
    WHERE price_toman IS NOT NULL
)
GROUP BY symbol, date
COMMENT 'Prices in Toman by day, of what {table}_toman shows (definition {definition})'

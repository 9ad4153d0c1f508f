CREATE OR REPLACE VIEW {database}.{table}_monthly{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    month_jalali String COMMENT 'Month in the Jalali calendar, YYYY-MM',
{period_columns}
)
AS WITH
{jalali}
SELECT
    symbol,
    month_jalali,
{period_values}
GROUP BY symbol, month_jalali
HAVING isNotNull(open)
COMMENT 'One row for each symbol and Jalali month, of what {table}_daily shows (definition {definition})'

CREATE OR REPLACE VIEW {database}.{table}_monthly_gregorian{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    month Date COMMENT 'First day of the Gregorian month',
{period_columns}
)
AS WITH
{jalali}
SELECT
    symbol,
    toStartOfMonth(date) AS month,
{period_values}
GROUP BY symbol, month
HAVING isNotNull(open)
COMMENT 'One row for each symbol and Gregorian month, of what {table}_daily shows (definition {definition})'

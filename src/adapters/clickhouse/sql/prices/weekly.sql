CREATE OR REPLACE VIEW {database}.{table}_weekly{on_cluster}
(
    symbol String COMMENT 'Ticker the coin is followed under, upper case, such as BTC',
    week Date COMMENT 'Saturday that the week begins on',
{period_columns}
)
AS WITH
{jalali}
SELECT
    symbol,
    date - (weekday - 1) AS week,
{period_values}
GROUP BY symbol, week
HAVING isNotNull(open)
COMMENT 'One row for each symbol and week from Saturday to Friday, of what {table}_daily shows (definition {definition})'

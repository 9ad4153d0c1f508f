"""The stored prices of any hourly table, as the report shows them. Pure."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.clickhouse_adapter import quoted_identifier
from adapters._bases.hourly_table import HourlyTable

# An INSERT sets updated_at just before the server makes the version, so a later one means another write. The clocks of
# this host and of the server may differ by this much.
_CLOCK_DIFFERENCE_SECONDS = 2
_IS_UPDATED = (
    "ifNull(toUnixTimestamp(toDateTimeOrNull(updated_at, 'Asia/Tehran')) > "
    f"intDiv(version, 1000000000) + {_CLOCK_DIFFERENCE_SECONDS}, 0)"
)
_NO_TEXT, _NO_NUMBER = "''", "NULL"


class StoredPrice(NamedTuple):
    """One stored hour of one symbol, with its hour key as `datetime`.

    Attributes:
        name: what the symbol stands for, in words or as the source names it; empty where the table does not say it.
        price: the table's value, whatever double is stored, NaN and infinities too.
        market_cap: None where it is not known.
        currency: of the price; empty where the table does not say it.
        is_updated: whether the row was written again after its insert.
    """

    symbol: str
    datetime: str
    name: str
    price: float
    market_cap: float | None
    currency: str
    is_updated: bool


def price_columns(table: HourlyTable, *, name: str) -> str:
    """The columns of a SELECT from the hourly view, in the order of the fields of `StoredPrice`.

    Args:
        table: may lack all of these columns but its value.
        name: of the column with the name of what a symbol stands for.
    """
    own = {column: quoted_identifier(column) for column in table.given}
    chosen = (
        *("symbol", "datetime", own.get(name, _NO_TEXT), own[table.value]),
        *(own.get("market_cap", _NO_NUMBER), own.get("currency", _NO_TEXT), _IS_UPDATED),
    )
    return ", ".join(chosen)

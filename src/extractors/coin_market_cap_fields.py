"""Typed reading of one JSON object of CoinMarketCap's. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import NamedTuple, TypeVar

from adapters._bases.errors import InvalidRowError
from adapters.http.coin_market_cap_quote import Flaw

T = TypeVar("T")

_HIGHEST_ID = 2**32 - 1
"""What the table's column holds; CoinMarketCap's ids have five digits so far."""
_HIGHEST_RANK = 2**31 - 1
_LONGEST_TEXT = 200
"""Of a symbol or a name: a stored text of megabytes could not be read back from a backup."""


class Fields(NamedTuple):
    """A JSON object and its place in the answer. Every reader raises `InvalidRowError`, which names the place.

    Attributes:
        path: such as ``data[3].quote.USD``.
        values: the object.
    """

    path: str
    values: dict[str, object]

    def number(self, key: str) -> float | None:
        """A number, to all its digits; NaN and infinities pass. None when null or absent. A bool is no number."""
        value = self.values.get(key)
        if value is None or isinstance(value, float):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a number")
        try:
            return float(value)
        except OverflowError:
            raise self._wrong(key, "a number that a double can hold") from None

    def text(self, key: str) -> str:
        """A text of at most 200 characters that can be stored as UTF-8."""
        value = self.values.get(key)
        if not isinstance(value, str) or not _is_utf8(value):
            raise self._wrong(key, "a text")
        if len(value) > _LONGEST_TEXT:
            raise self._wrong(key, f"a text of at most {_LONGEST_TEXT} characters")
        return value

    def identity(self, key: str) -> int:
        """A whole number from 1 to 4,294,967,295."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _HIGHEST_ID:
            raise self._wrong(key, "an id")
        return value

    def rank(self, key: str) -> int | None:
        """A whole number from 1 to 2,147,483,647; None when null or absent: unranked."""
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _HIGHEST_RANK:
            raise self._wrong(key, "a rank")
        return value

    def moment(self, key: str) -> datetime | None:
        """An ISO-8601 instant with its zone, in UTC; None when null or absent."""
        value = self.values.get(key)
        if value is None:
            return None
        try:
            return _instant(value)
        except (ValueError, OverflowError):
            raise self._wrong(key, "a time with its zone") from None

    def objects(self, key: str) -> list[tuple[str, object]]:
        """The members of a list, each with its place."""
        value = self.values.get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return [(f"{self.path}.{key}[{index}]", item) for index, item in enumerate(value)]

    def by_currency(self, key: str, currency: str) -> Fields:
        """The member for one currency: of an object by symbol, or of a list whose members name theirs."""
        value = self.values.get(key)
        if isinstance(value, list):
            value = {
                item["symbol"]: item for item in value if isinstance(item, dict) and item.get("symbol") == currency
            }
        if not isinstance(value, dict) or currency not in value:
            raise InvalidRowError(f"{self.path}.{key} has no quote in {currency}")
        return fields_of(f"{self.path}.{key}.{currency}", value[currency])

    def _wrong(self, key: str, expected: str) -> InvalidRowError:
        found = "absent" if key not in self.values else f"not {expected}: {_shown(self.values[key])}"
        return InvalidRowError(f"{self.path}.{key} is {found}")


class Spare:
    """Reads what a price can do without: what cannot be read is noted and does not cost the row.

    Args:
        flaws: those noted before.

    Attributes:
        flaws: those noted so far.
    """

    def __init__(self, flaws: tuple[Flaw, ...] = ()) -> None:
        self.flaws = flaws

    def read(self, reader: Callable[[str], T | None], key: str) -> T | None:
        """What the reader of a `Fields` gives for the key; None where it cannot."""
        try:
            return reader(key)
        except InvalidRowError as error:
            self.flaws += (Flaw(key, f"{error.message}; it is left empty"),)
            return None

    def name(self, fields: Fields, symbol: str) -> str:
        """The text under ``name``: the beginning of one that is too long, the symbol in place of what is no text."""
        value = fields.values.get("name")
        try:
            return fields.text("name")
        except InvalidRowError as error:
            beginning = value[:_LONGEST_TEXT] if isinstance(value, str) and _is_utf8(value) else ""
            self.flaws += (Flaw("name", f"{error.message}; {'it is cut' if beginning else f'{symbol} stands in'}"),)
            return beginning or symbol


def fields_of(path: str, value: object) -> Fields:
    """The value as an object to read from.

    Raises:
        InvalidRowError: it is no object.
    """
    if not isinstance(value, dict):
        raise InvalidRowError(f"{path} is not an object: {_shown(value)}")
    return Fields(path, value)


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - to the caller, one kind of unreadable time
    # Python 3.10 does not read the Z that CoinMarketCap writes.
    moment = datetime.fromisoformat(f"{value[:-1]}+00:00" if value.endswith("Z") else value)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(timezone.utc)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """A foreign value for a message: short, on one line, and safe to show however deep or huge it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return ascii(value[:40])
    return "a huge number" if isinstance(value, int) and value.bit_length() > 128 else ascii(value)  # noqa: PLR2004

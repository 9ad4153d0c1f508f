"""CoinMarketCap's JSON as quotes. Pure: no I/O, no clock.

Takes every layout that the API's versions use, and those that its own texts contradict each other about: ``data`` as a
list, as an object by id or symbol, of coins or of lists of coins, or as one bare coin; ``quote`` as an object by
currency or as a list. A coin is known by its own ``id`` field, never by the key it lies under. Unknown keys are
ignored.

A coin or a point whose id, symbol, price or time is not as documented becomes a `Problem`, and the others are kept.
What a price can do without is left empty when it cannot be read, and noted with the quote: that hour's latest quote
cannot be had again. Prices are not judged here: null, NaN and negative ones pass on to the transformer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple, TypeVar

from adapters._bases.errors import ContractError, InvalidRowError
from extractors.coin_market_cap_quote import Coin, Flaw, Quote

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


class Problem(NamedTuple):
    """A coin, or one point of a coin, that the answer holds but that cannot be read.

    Attributes:
        symbol: as asked for; the key or place in the answer if the coin cannot be told or was not asked for.
        cmc_id: the coin's own id; None if that is what cannot be read.
        reason: one line, with the place in the answer.
    """

    symbol: str
    cmc_id: int | None
    reason: str


class Parsed(NamedTuple):
    """What an answer holds, in its own order.

    Attributes:
        quotes: one for each coin asked for (each point of it, in a historical answer) that can be read.
        problems: the rest.
    """

    quotes: list[Quote]
    problems: list[Problem]


def parse_latest(data: object, coins: Sequence[Coin], currency: str, observed_at: datetime) -> Parsed:
    """The quotes in ``data`` of ``quotes/latest``.

    Args:
        data: the JSON value.
        coins: those asked for.
        currency: the one asked for, such as ``USD``.
        observed_at: aware; the run's ``now``.

    Raises:
        ContractError: ``data`` is neither a list nor an object.
    """
    parsed = Parsed([], [])
    for coin, fields in _coins_in(data, coins, parsed.problems):
        try:
            parsed.quotes.append(_latest_quote(coin, fields, currency, observed_at))
        except InvalidRowError as exc:  # noqa: PERF203 - each coin fails alone
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
    return parsed


def parse_historical(data: object, coins: Sequence[Coin], currency: str) -> Parsed:
    """The quotes in ``data`` of ``quotes/historical``, one for each point.

    Each point has two stamps: the outer one is the interval's; the inner one, in the quote, is when that price was
    taken. They differ by minutes at times (the documentation's own example: 00:00:00 and 00:04:16). The inner one is
    the quote's own time and goes into ``observed_at``, so that no price is put before the moment it was taken; the
    outer one stands in where there is no inner one. A point may so lie a little outside the span asked for: whoever
    stores it decides by ``observed_at``.

    Args:
        data: the JSON value.
        coins: those asked for.
        currency: the one asked for, such as ``USD``.

    Raises:
        ContractError: ``data`` is neither a list nor an object.
    """
    parsed = Parsed([], [])
    for coin, fields in _coins_in(data, coins, parsed.problems):
        try:
            points = fields.objects("quotes")
        except InvalidRowError as exc:
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
            continue
        for point in points:
            try:
                parsed.quotes.append(_past_quote(coin, fields, fields_of(*point), currency))
            except InvalidRowError as exc:  # noqa: PERF203 - each point fails alone
                parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
    return parsed


def _latest_quote(coin: Coin, fields: Fields, currency: str, observed_at: datetime) -> Quote:
    quote = fields.by_currency("quote", currency)
    common = _common(coin, fields, quote, currency, observed_at)
    spare = Spare(common.flaws)
    return common._replace(
        cmc_rank=spare.read(fields.rank, "cmc_rank"),
        source_updated_at=quote.moment("last_updated") or fields.moment("last_updated"),
        flaws=spare.flaws,
    )


def _past_quote(coin: Coin, fields: Fields, point: Fields, currency: str) -> Quote:
    quote = point.by_currency("quote", currency)
    own_time = quote.moment("timestamp") or point.moment("timestamp")
    if own_time is None:
        raise InvalidRowError(f"{point.path} has no timestamp")
    return _common(coin, fields, quote, currency, own_time)._replace(endpoint="historical", source_updated_at=own_time)


def _common(coin: Coin, fields: Fields, quote: Fields, currency: str, observed_at: datetime) -> Quote:
    spare = Spare()
    return Quote(
        symbol=coin.symbol,
        source_symbol=fields.text("symbol"),
        cmc_id=coin.cmc_id,
        name=spare.name(fields, coin.symbol),
        price=quote.number("price"),
        volume_24h=spare.read(quote.number, "volume_24h"),
        market_cap=spare.read(quote.number, "market_cap"),
        percent_change_1h=spare.read(quote.number, "percent_change_1h"),
        percent_change_24h=spare.read(quote.number, "percent_change_24h"),
        percent_change_7d=spare.read(quote.number, "percent_change_7d"),
        cmc_rank=None,
        currency=currency,
        endpoint="latest",
        observed_at=observed_at,
        source_updated_at=None,
        flaws=spare.flaws,
    )


def _coins_in(data: object, coins: Sequence[Coin], problems: list[Problem]) -> Iterator[tuple[Coin, Fields]]:
    """Each coin of the answer with the coin asked for; twice for an id that was asked for under two symbols."""
    asked: dict[int, list[Coin]] = {}
    for coin in coins:
        asked.setdefault(coin.cmc_id, []).append(coin)
    for path, value in _coin_values(data):
        try:
            fields = fields_of(path, value)
            cmc_id = fields.identity("id")
        except InvalidRowError as exc:
            problems.append(Problem(path, None, exc.message))
            continue
        if cmc_id not in asked:
            problems.append(Problem(path, cmc_id, f"{path} is coin {cmc_id}, which was not asked for"))
        for coin in asked.get(cmc_id, []):
            yield coin, fields


def _coin_values(data: object) -> Iterator[tuple[str, object]]:
    """Each coin of the answer with its place in it, whatever the layout."""
    if isinstance(data, list):
        yield from ((f"data[{index}]", value) for index, value in enumerate(data))
    elif not isinstance(data, dict):
        raise ContractError(
            "CoinMarketCap's answer has neither a list nor an object of coins",
            next_step="nothing was stored; try again, and if it stays so the API has changed",
            json_path="data",
        )
    elif "quotes" in data or "quote" in data:
        yield "data", data
    else:
        for key, value in data.items():
            path = f"data.{str(key)[:40]!a}"
            if isinstance(value, list):
                yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))
            else:
                yield path, value

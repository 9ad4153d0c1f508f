"""CoinMarketCap's JSON as quotes. Pure: no I/O, no clock.

Takes every layout that the API's versions use, and those on which its own texts disagree: ``data`` as a list, as an
object by id or symbol, of coins or of lists of coins, or as one bare coin; ``quote`` as an object by currency or as a
list. A coin is identified by its own ``id`` field, never by its key. Unknown keys are ignored.

Each coin is read by itself: at once where it is as documented, else field by field (`Fields`), which gives the same
`LatestCoin` or `Point`. If an id, a symbol, a price or a past price's time cannot be read, the coin or point becomes a
`Problem`, and the others are kept. What a price can do without is left empty when it cannot be read, and noted with the
quote: that hour's latest quote cannot be fetched again. Prices are not judged here: null, NaN and negative ones pass on
to the transformer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from adapters._bases.errors import ContractError, InvalidRowError
from adapters._bases.json_values import flag, instant, json_value, whole
from extractors.coin_market_cap_quote import Coin, Flaw, Quote

T = TypeVar("T")

_HIGHEST_ID = 2**32 - 1
"""What the table's column holds; CoinMarketCap's ids have five digits so far."""
_HIGHEST_RANK = 2**31 - 1
_LONGEST_TEXT = 200
"""Of a symbol or a name: a stored text of megabytes could not be read back from a backup."""

_Id = Annotated[int, msgspec.Meta(ge=1, le=_HIGHEST_ID)]
_Rank = Annotated[int, msgspec.Meta(ge=1, le=_HIGHEST_RANK)]
_Text = Annotated[str, msgspec.Meta(max_length=_LONGEST_TEXT)]


class Numbers(msgspec.Struct, gc=False):
    """What a coin is worth in one currency, as documented, its times not yet read."""

    symbol: str | None = None  # the currency, where quotes are a list
    price: float | None = None
    volume_24h: float | None = None
    market_cap: float | None = None
    percent_change_1h: float | None = None
    percent_change_24h: float | None = None
    percent_change_7d: float | None = None
    last_updated: object = None
    timestamp: object = None


class LatestCoin(msgspec.Struct, gc=False):
    """A coin of ``quotes/latest``, as documented."""

    id: _Id
    symbol: _Text
    name: _Text
    quote: dict[str, Numbers] | list[Numbers]
    cmc_rank: _Rank | None = None
    last_updated: object = None


class Point(msgspec.Struct, gc=False):
    """A point of a `PastCoin`, as documented."""

    quote: dict[str, Numbers] | list[Numbers]
    timestamp: object = None


class PastCoin(msgspec.Struct, gc=False):
    """A coin of ``quotes/historical``, as documented."""

    id: _Id
    symbol: _Text
    name: _Text
    quotes: list[Point]


S = TypeVar("S", LatestCoin, PastCoin)
_MEMBERS: msgspec.json.Decoder[list[object] | dict[str, object]] = msgspec.json.Decoder(
    list[msgspec.Raw] | dict[str, msgspec.Raw]
)
_LATEST_COIN = msgspec.json.Decoder(LatestCoin)
_PAST_COIN = msgspec.json.Decoder(PastCoin)


class Fields(NamedTuple):
    """A JSON object and its place in the answer, such as ``data[3].quote.USD``.

    Every reader raises `InvalidRowError`, which names the place.
    """

    path: str
    values: dict[str, object]

    def number(self, key: str) -> float | None:
        """A number to all its digits, NaN and infinities too, or None when null or absent. Not a bool."""
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
        """A whole number from 1 to 4,294,967,295, however it is written."""
        value = whole(self.values.get(key))
        if value is None or not 1 <= value <= _HIGHEST_ID:
            raise self._wrong(key, "an id")
        return value

    def rank(self, key: str) -> int | None:
        """A whole number from 1 to 2,147,483,647, however it is written, or None when null or absent."""
        if self.values.get(key) is None:
            return None
        value = whole(self.values[key])
        if value is None or not 1 <= value <= _HIGHEST_RANK:
            raise self._wrong(key, "a rank")
        return value

    def flag(self, key: str) -> bool:
        """Yes or no, however it is written."""
        value = flag(self.values.get(key))
        if value is None:
            raise self._wrong(key, "yes or no")
        return value

    def members(self, key: str) -> list[object]:
        """The members of a list."""
        value = self.values.get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def numbers(self, currency: str, spare: Spare) -> dict[str, Numbers]:
        """The quote in one currency: of an object by symbol, or of a list whose members name theirs."""
        value = self.values.get("quote")
        if isinstance(value, list):
            value = {
                item["symbol"]: item for item in value if isinstance(item, dict) and item.get("symbol") == currency
            }
        if not isinstance(value, dict) or currency not in value:
            raise InvalidRowError(f"{self.path}.quote has no quote in {currency}")
        quote = fields_of(f"{self.path}.quote.{currency}", value[currency])
        return {
            currency: Numbers(
                price=quote.number("price"),
                volume_24h=spare.number(quote, "volume_24h"),
                market_cap=spare.number(quote, "market_cap"),
                percent_change_1h=spare.number(quote, "percent_change_1h"),
                percent_change_24h=spare.number(quote, "percent_change_24h"),
                percent_change_7d=spare.number(quote, "percent_change_7d"),
                last_updated=quote.values.get("last_updated"),
                timestamp=quote.values.get("timestamp"),
            )
        }

    def _wrong(self, key: str, expected: str) -> InvalidRowError:
        found = "absent" if key not in self.values else f"not {expected}: {_shown(self.values[key])}"
        return InvalidRowError(f"{self.path}.{key} is {found}")


class Spare:
    """Reads what a price can do without: what cannot be read is noted in `flaws`, the row is kept."""

    def __init__(self, flaws: tuple[Flaw, ...] = ()) -> None:
        self.flaws = flaws

    def read(self, reader: Callable[[str], T | None], key: str) -> T | None:
        """What the reader of a `Fields` gives for the key, or None where it cannot."""
        try:
            return reader(key)
        except InvalidRowError as error:
            self._note(key, f"{error.message}; it is left empty")
            return None

    def number(self, fields: Fields, key: str) -> float | None:
        """The number under the key, or None, for NaN and infinities too."""
        value = self.read(fields.number, key)
        if value is None or math.isfinite(value):
            return value
        self._note(key, f"{fields.path}.{key} is not a finite number: {value}; it is left empty")
        return None

    def moment(self, key: str, *stamps: tuple[str, object]) -> datetime | None:
        """The first of the stamps, each a place and a value, that is a time, or None."""
        there = [(place, value, moment(value)) for place, value in stamps if value is not None]
        found = next((time for _, _, time in there if time is not None), None)
        fate = "it is left empty" if found is None else "another time of the coin stands in"
        for place, value, time in there:
            if time is None:
                self._note(key, f"{place}.{key} is not a time: {_shown(value)}; {fate}")
        return found

    def name(self, fields: Fields, symbol: str) -> str:
        """The text under ``name``, cut if it is too long, or the symbol where it is not a text."""
        value = fields.values.get("name")
        try:
            return fields.text("name")
        except InvalidRowError as error:
            beginning = value[:_LONGEST_TEXT] if isinstance(value, str) and _is_utf8(value) else ""
            self._note("name", f"{error.message}; {'it is cut' if beginning else f'{symbol} stands in'}")
            return beginning or symbol

    def _note(self, field: str, reason: str) -> None:
        self.flaws += (Flaw(field, reason),)


def fields_of(path: str, value: object) -> Fields:
    """The value as an object to read from.

    Raises:
        InvalidRowError: the value is not an object.
    """
    if not isinstance(value, dict):
        raise InvalidRowError(f"{path} is not an object: {_shown(value)}")
    return Fields(path, value)


def moment(value: object) -> datetime | None:
    """The instant in UTC that a text is, or None."""
    return instant(value) if isinstance(value, str) else None


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
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "a huge number" if isinstance(value, int) and value.bit_length() > 128 else ascii(value)  # noqa: PLR2004


class Problem(NamedTuple):
    """A coin, or one point of a coin, that the answer holds but that cannot be read.

    Attributes:
        symbol: as asked for, or the place in the answer if the coin is unknown or was not asked for.
        cmc_id: the coin's own id; None if it cannot be read.
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
        data: a JSON value, or its text as `msgspec.Raw`.
        coins: those asked for.
        observed_at: aware; when the answer came.

    Raises:
        ContractError: ``data`` is neither a list nor an object.
    """
    parsed = Parsed([], [])
    for coin, path, found in _coins_in(data, coins, _LATEST_COIN, parsed.problems):
        try:
            parsed.quotes.append(_latest_quote(coin, path, found, currency, observed_at))
        except InvalidRowError as exc:  # noqa: PERF203 - each coin fails alone
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
    return parsed


def parse_historical(data: object, coins: Sequence[Coin], currency: str) -> Parsed:
    """The quotes in ``data`` of ``quotes/historical``, one for each point.

    Each point has two stamps: the outer one is the interval's; the inner one, in the quote, is when that price was
    taken. They differ by minutes at times (the documentation's own example: 00:00:00 and 00:04:16). The inner one goes
    into ``observed_at``, so that no price is stored before the moment it was taken; the outer one stands in where the
    inner is missing. So a point may lie a little outside the span asked for. Arguments and errors as in `parse_latest`.
    """
    parsed = Parsed([], [])
    for coin, path, found in _coins_in(data, coins, _PAST_COIN, parsed.problems):
        try:
            about = _about(coin, found)
        except InvalidRowError as exc:
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
            continue
        for index, point in enumerate(about.points):
            try:
                parsed.quotes.append(_past_quote(coin, about, f"{path}.quotes[{index}]", point, currency))
            except InvalidRowError as exc:  # noqa: PERF203 - each point fails alone
                parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
    return parsed


def _latest_quote(coin: Coin, path: str, found: LatestCoin | Fields, currency: str, observed_at: datetime) -> Quote:
    spare = Spare()
    about = _mended(coin, found, currency, spare) if isinstance(found, Fields) else found
    numbers = _in_currency(about.quote, currency, path)
    stamps = (f"{path}.quote.{currency}", numbers.last_updated), (path, about.last_updated)
    updated = spare.moment("last_updated", *stamps)
    head, values = (coin.symbol, about.symbol, coin.cmc_id, about.name), _values(numbers)
    return Quote(*head, *values, about.cmc_rank, currency, "latest", observed_at, updated, spare.flaws)


def _mended(coin: Coin, fields: Fields, currency: str, spare: Spare) -> LatestCoin:
    return LatestCoin(
        id=coin.cmc_id,
        symbol=fields.text("symbol"),
        name=spare.name(fields, coin.symbol),
        quote=fields.numbers(currency, spare),
        cmc_rank=spare.read(fields.rank, "cmc_rank"),
        last_updated=fields.values.get("last_updated"),
    )


class _About(NamedTuple):
    """What the points of a coin have in common."""

    symbol: str
    name: str
    points: Sequence[object]
    flaws: tuple[Flaw, ...]


def _about(coin: Coin, found: PastCoin | Fields) -> _About:
    if isinstance(found, PastCoin):
        return _About(found.symbol, found.name, found.quotes, ())
    spare = Spare()
    name = spare.name(found, coin.symbol)
    return _About(found.text("symbol"), name, found.members("quotes"), spare.flaws)


def _past_quote(coin: Coin, about: _About, path: str, point: object, currency: str) -> Quote:
    spare = Spare(about.flaws)
    if not isinstance(point, Point):
        fields = fields_of(path, point)
        point = Point(quote=fields.numbers(currency, spare), timestamp=fields.values.get("timestamp"))
    numbers = _in_currency(point.quote, currency, path)
    taken_at = moment(numbers.timestamp)
    if taken_at is None:
        stamps = (f"{path}.quote.{currency}", numbers.timestamp), (path, point.timestamp)
        taken_at = spare.moment("timestamp", *stamps)
    if taken_at is None:
        raise InvalidRowError(f"{path} has no timestamp that can be read")
    head, values = (coin.symbol, about.symbol, coin.cmc_id, about.name), _values(numbers)
    return Quote(*head, *values, None, currency, "historical", taken_at, taken_at, spare.flaws)


_Value = float | None


def _values(numbers: Numbers) -> tuple[_Value, _Value, _Value, _Value, _Value, _Value]:
    return (
        numbers.price,
        numbers.volume_24h,
        numbers.market_cap,
        numbers.percent_change_1h,
        numbers.percent_change_24h,
        numbers.percent_change_7d,
    )


def _in_currency(quote: dict[str, Numbers] | list[Numbers], currency: str, path: str) -> Numbers:
    by_currency = quote if isinstance(quote, dict) else {numbers.symbol: numbers for numbers in quote}
    try:
        return by_currency[currency]
    except KeyError:
        raise InvalidRowError(f"{path}.quote has no quote in {currency}") from None


def _coins_in(
    data: object, coins: Sequence[Coin], decoder: msgspec.json.Decoder[S], problems: list[Problem]
) -> Iterator[tuple[Coin, str, S | Fields]]:
    """Each coin of the answer as asked for, with its place, twice if asked for under two symbols."""
    asked: dict[int, list[Coin]] = {}
    for coin in coins:
        asked.setdefault(coin.cmc_id, []).append(coin)
    for path, value in _coin_values(data):
        try:
            found = _found(path, value, decoder)
            cmc_id = found.identity("id") if isinstance(found, Fields) else found.id
        except InvalidRowError as exc:
            problems.append(Problem(path, None, exc.message))
            continue
        if cmc_id not in asked:
            problems.append(Problem(path, cmc_id, f"{path} is coin {cmc_id}, which was not asked for"))
        for coin in asked.get(cmc_id, []):
            yield coin, path, found


def _found(path: str, value: object, decoder: msgspec.json.Decoder[T]) -> T | Fields:
    """The value as documented, else as an object to read field by field.

    Raises:
        InvalidRowError: it is not an object, or text that is not UTF-8.
    """
    if isinstance(value, msgspec.Raw):
        try:
            return decoder.decode(value)
        except ValueError:
            pass
        try:
            value = json_value(bytes(value))
        except ValueError:
            raise InvalidRowError(f"{path} is not JSON in UTF-8") from None
    return fields_of(path, value)


def _coin_values(data: object) -> Iterator[tuple[str, object]]:
    """Each coin of the answer with its place in it, whatever the layout."""
    members = _members(data)
    if isinstance(members, list):
        yield from ((f"data[{index}]", value) for index, value in enumerate(members))
    elif members is None:
        raise ContractError(
            "CoinMarketCap's answer has neither a list nor an object of coins",
            next_step="nothing was stored; try again, and if it stays so the API has changed",
            json_path="data",
        )
    elif "quotes" in members or "quote" in members:
        yield "data", data
    else:
        for key, value in members.items():
            path = f"data.{str(key)[:40]!a}"
            if _is_list(value):
                yield from ((f"{path}[{index}]", item) for index, item in enumerate(_members(value) or ()))
            else:
                yield path, value


def _members(value: object) -> list[object] | dict[str, object] | None:
    """The members of a list or an object, those of a text as texts, or None for anything else."""
    if not isinstance(value, msgspec.Raw):
        return value if isinstance(value, (list, dict)) else None
    try:
        return _MEMBERS.decode(value)
    except ValueError:
        return None


def _is_list(value: object) -> bool:
    return memoryview(value)[0] == ord("[") if isinstance(value, msgspec.Raw) else isinstance(value, list)

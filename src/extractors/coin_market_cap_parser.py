"""CoinMarketCap's JSON as quotes. Pure: no I/O, no clock.

Reads every layout that the API's versions use, and those on which its own texts disagree: ``data`` as a list, as an
object by id or symbol, of coins or of lists of coins, or as one bare coin; ``quote`` as an object by currency or as a
list. A coin is identified by its own ``id`` field, never by its key. Unknown keys are ignored.

Each coin and each point is decoded alone. If its id, symbol, price or time cannot be read it becomes a `Problem`, and
the others are kept. What a price can do without is left empty and noted with the quote: that hour's latest quote cannot
be fetched again. Prices are not judged here: null and negative ones pass on to the transformer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar

import msgspec

from adapters._bases.errors import ContractError, InvalidRowError
from adapters._bases.json_values import instant, shown, standard_json, whole

# The maximum of the table's column; CoinMarketCap's ids have five digits so far.
HIGHEST_ID = 2**32 - 1
HIGHEST_RANK = 2**31 - 1
# Characters of a symbol or a name: a stored text of megabytes could not be read back from a backup.
_LONGEST_TEXT = 200
_SPARE = ("volume_24h", "market_cap", "percent_change_1h", "percent_change_24h", "percent_change_7d")


class Coin(NamedTuple):
    """A coin that the job follows, by the ticker that is stored and CoinMarketCap's permanent id."""

    symbol: str
    cmc_id: int


class Quote(NamedTuple):
    """One observation of one coin's price, as CoinMarketCap gave it, neither checked nor rounded.

    Numbers are finite, or None if the source has none; their units are those of the columns of `PriceRow`.
    """

    symbol: str  # the coin was requested under it
    source_symbol: str  # in the answer; it differs once a project renames itself
    cmc_id: int
    name: str
    price: float | None
    volume_24h: float | None
    market_cap: float | None
    percent_change_1h: float | None
    percent_change_24h: float | None
    percent_change_7d: float | None
    cmc_rank: int | None
    currency: str
    endpoint: Literal["latest", "historical"]
    observed_at: datetime  # aware; when the answer came for latest, the quote's own time for historical
    source_updated_at: datetime | None  # aware
    flaws: tuple[str, ...] = ()  # one line for each field that could not be read, and is None or replaced


class Problem(NamedTuple):
    """A coin, or one point of a coin, that the answer holds but that cannot be read."""

    symbol: str  # as requested, or the place in the answer if the coin is unknown or was not requested
    cmc_id: int | None
    reason: str  # one line, with the place in the answer


class Parsed(NamedTuple):
    """What an answer holds, in its own order: a quote for each requested coin or point, and the unreadable rest."""

    quotes: list[Quote]
    problems: list[Problem]


class _Numbers(msgspec.Struct, gc=False):
    symbol: object = None  # the currency, where quotes are a list
    price: object = None
    volume_24h: object = None
    market_cap: object = None
    percent_change_1h: object = None
    percent_change_24h: object = None
    percent_change_7d: object = None
    last_updated: object = None
    timestamp: object = None


_Quoted = dict[str, _Numbers] | list[_Numbers]


class _Coin(msgspec.Struct, gc=False):
    id: object = None
    symbol: object = None
    name: object = None
    cmc_rank: object = None
    last_updated: object = None


class _LatestCoin(_Coin, gc=False, kw_only=True):
    quote: _Quoted


class _PastCoin(_Coin, gc=False, kw_only=True):
    quotes: list[msgspec.Raw]


class _Point(msgspec.Struct, gc=False, kw_only=True):
    timestamp: object = None
    quote: _Quoted


T = TypeVar("T")
C = TypeVar("C", bound=_Coin)
_MEMBERS: msgspec.json.Decoder[list[msgspec.Raw] | dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    list[msgspec.Raw] | dict[str, msgspec.Raw]
)
_LATEST_COIN, _PAST_COIN, _POINT = map(msgspec.json.Decoder, (_LatestCoin, _PastCoin, _Point))


def parse_latest(data: bytes | msgspec.Raw, coins: Sequence[Coin], currency: str, observed_at: datetime) -> Parsed:
    """The quotes in ``data`` of ``quotes/latest``.

    Args:
        data: JSON text.
        coins: those requested.
        observed_at: aware; when the answer came.

    Raises:
        ContractError: ``data`` is neither a list nor an object.
    """
    parsed = Parsed([], [])
    for coin, path, found in _coins_in(data, coins, _LATEST_COIN, parsed.problems):
        flaws: list[str] = []
        try:
            symbol, name = _symbol_and_name(coin, found, path, flaws)
            place, numbers = _in_currency(found.quote, currency, path)
            values = _values(numbers, place, flaws)
            rank = _rank(found.cmc_rank, path, flaws)
            updated = _first_time("last_updated", [(place, numbers.last_updated), (path, found.last_updated)], flaws)
        except InvalidRowError as exc:
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
            continue
        head = (coin.symbol, symbol, coin.cmc_id, name)
        parsed.quotes.append(Quote(*head, *values, rank, currency, "latest", observed_at, updated, tuple(flaws)))
    return parsed


def parse_historical(data: bytes | msgspec.Raw, coins: Sequence[Coin], currency: str) -> Parsed:
    """The quotes in ``data`` of ``quotes/historical``, one for each point. Arguments and errors as in `parse_latest`.

    Each point has two stamps: the outer one is the interval's; the inner one, in the quote, is when that price was
    taken. They differ by minutes at times (the documentation's own example: 00:00:00 and 00:04:16). The inner one goes
    into ``observed_at``, so that no price is stored before the moment it was taken; the outer one replaces a missing
    inner one. So a point may lie a little outside the requested span.
    """
    parsed = Parsed([], [])
    for coin, path, found in _coins_in(data, coins, _PAST_COIN, parsed.problems):
        flaws: list[str] = []
        try:
            symbol, name = _symbol_and_name(coin, found, path, flaws)
        except InvalidRowError as exc:
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
            continue
        head = (coin.symbol, symbol, coin.cmc_id, name)
        for index, point in enumerate(found.quotes):
            try:
                quote = _past_quote(head, point, currency, f"{path}.quotes[{index}]", flaws)
            except InvalidRowError as exc:  # noqa: PERF203 - each point fails alone
                parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
            else:
                parsed.quotes.append(quote)
    return parsed


def _past_quote(
    head: tuple[str, str, int, str], text: msgspec.Raw, currency: str, path: str, coin_flaws: Sequence[str]
) -> Quote:
    flaws = [*coin_flaws]
    point = _decoded(_POINT, text, path)
    place, numbers = _in_currency(point.quote, currency, path)
    values = _values(numbers, place, flaws)
    taken_at = _first_time("timestamp", [(place, numbers.timestamp), (path, point.timestamp)], flaws)
    if taken_at is None:
        raise InvalidRowError(f"{path} has no timestamp that can be read")
    return Quote(*head, *values, None, currency, "historical", taken_at, taken_at, tuple(flaws))


def _coins_in(
    data: bytes | msgspec.Raw, coins: Sequence[Coin], decoder: msgspec.json.Decoder[C], problems: list[Problem]
) -> Iterator[tuple[Coin, str, C]]:
    """Each requested coin in the answer, with its place; twice if it was requested under two symbols."""
    requested: dict[int, list[Coin]] = {}
    for coin in coins:
        requested.setdefault(coin.cmc_id, []).append(coin)
    for path, text in _coin_texts(data):
        try:
            found = _decoded(decoder, text, path)
            cmc_id = _identity(found.id, path)
        except InvalidRowError as exc:
            problems.append(Problem(path, None, exc.message))
            continue
        if cmc_id not in requested:
            problems.append(Problem(path, cmc_id, f"{path} is coin {cmc_id}, which was not requested"))
        for coin in requested.get(cmc_id, ()):
            yield coin, path, found


def _coin_texts(data: bytes | msgspec.Raw) -> Iterator[tuple[str, bytes | msgspec.Raw]]:
    """The text of each coin, with its place, whatever the layout."""
    try:
        members = _MEMBERS.decode(data)
    except ValueError as exc:
        raise ContractError(
            "CoinMarketCap's answer has neither a list nor an object of coins",
            next_step="nothing was stored; try again, and if it persists the API has changed",
        ) from exc
    if isinstance(members, list):
        yield from ((f"data[{index}]", text) for index, text in enumerate(members))
    elif "quotes" in members or "quote" in members:
        yield "data", data
    else:
        for key, text in members.items():
            path = f"data.{key[:40]!a}"
            items = _MEMBERS.decode(text) if memoryview(text)[0] == ord("[") else None
            if isinstance(items, list):
                yield from ((f"{path}[{index}]", item) for index, item in enumerate(items))
            else:
                yield path, text


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes | msgspec.Raw, path: str) -> T:
    with suppress(ValueError, RecursionError):
        return decoder.decode(text)
    try:
        # Perhaps only a number too large for a double, or half a character.
        return decoder.decode(standard_json(bytes(text)))
    except (ValueError, RecursionError) as exc:
        raise InvalidRowError(f"{path} cannot be read: {exc}") from exc


def _in_currency(quoted: _Quoted, currency: str, path: str) -> tuple[str, _Numbers]:
    """The numbers in a currency, and their place."""
    found = quoted.get(currency) if isinstance(quoted, dict) else None
    if isinstance(quoted, list):
        found = next((numbers for numbers in quoted if numbers.symbol == currency), None)
    if found is None:
        raise InvalidRowError(f"{path}.quote has no quote in {currency}")
    return f"{path}.quote.{currency}", found


_Value = float | None


def _values(numbers: _Numbers, path: str, flaws: list[str]) -> tuple[_Value, _Value, _Value, _Value, _Value, _Value]:
    """The price, which must be readable, and the numbers beside it."""
    price = _number(numbers.price, path, "price")
    volume, market_cap, hour, day, week = (_spare_number(numbers, path, name, flaws) for name in _SPARE)
    return price, volume, market_cap, hour, day, week


def _spare_number(numbers: _Numbers, path: str, name: str, flaws: list[str]) -> float | None:
    try:
        return _number(getattr(numbers, name), path, name)
    except InvalidRowError as error:
        flaws.append(f"{error.message}; it is left empty")
        return None


def _number(value: object, path: str, name: str) -> float | None:
    """A number to all its digits; None if null. Not a bool."""
    if value is None or type(value) is float:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    raise InvalidRowError(f"{path}.{name} is not a number: {shown(value)}")


def _identity(value: object, path: str) -> int:
    number = whole(value)
    if number is None or not 1 <= number <= HIGHEST_ID:
        raise InvalidRowError(f"{path}.id is not an id: {shown(value)}")
    return number


def _rank(value: object, path: str, flaws: list[str]) -> int | None:
    rank = whole(value)
    if value is None or (rank is not None and 1 <= rank <= HIGHEST_RANK):
        return rank
    flaws.append(f"{path}.cmc_rank is not a rank: {shown(value)}; it is left empty")
    return None


def _symbol_and_name(coin: Coin, found: _Coin, path: str, flaws: list[str]) -> tuple[str, str]:
    if not isinstance(found.symbol, str) or len(found.symbol) > _LONGEST_TEXT:
        raise InvalidRowError(f"{path}.symbol is not a text of at most {_LONGEST_TEXT} characters")
    name = found.name[:_LONGEST_TEXT] if isinstance(found.name, str) else coin.symbol
    if name != found.name:
        flaws.append(f"{path}.name is not a text of at most {_LONGEST_TEXT} characters; replaced by {name!a}")
    return found.symbol, name


def _first_time(name: str, stamps: Sequence[tuple[str, object]], flaws: list[str]) -> datetime | None:
    """The first of the values, each with its place, that is a time."""
    unreadable: list[str] = []
    for path, value in stamps:
        found = instant(value) if isinstance(value, str) else None
        if found is not None:
            flaws.extend(f"{flaw}; another time of the coin is used" for flaw in unreadable)
            return found
        if value is not None:
            unreadable.append(f"{path}.{name} is not a time: {shown(value)}")
    flaws.extend(f"{flaw}; it is left empty" for flaw in unreadable)
    return None

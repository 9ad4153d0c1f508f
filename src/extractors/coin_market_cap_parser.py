"""CoinMarketCap's JSON as quotes. Pure: no I/O, no clock.

Reads every layout that the API's versions use, and those on which its own texts disagree: ``data`` as a list, as an
object by id or symbol, of coins or of lists of coins, or as one bare coin; ``quote`` as an object by currency or as a
list. A coin is identified by its own ``id`` field, never by its key. Unknown keys are ignored.

Each coin and each point is read alone. If its id, symbol, price or time cannot be read it becomes a `Problem`, and
the others are kept. Other fields that cannot be read are left empty and noted with the quote, because the latest quote
of an hour cannot be fetched again. Prices are not validated here: null and negative ones pass on to the transformer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal, NamedTuple

from adapters._bases.errors import ContractError, InvalidRowError
from adapters._bases.json_values import instant, whole
from adapters._bases.wording import shown
from adapters.http.coin_market_cap_http_adapter import CURRENCY

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
    """One observation of one coin's price, as CoinMarketCap sent it, neither checked nor rounded.

    Numbers are finite, or None if the source has none; their units are those of the columns of `PriceRow`.
    """

    symbol: str  # requested under this symbol
    source_symbol: str  # in the answer; differs after a project renames itself
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
    endpoint: Literal["latest", "historical", "listings"]  # the last: a member of the list of the largest coins
    observed_at: datetime  # aware; when the answer came for latest, the quote's own time for historical
    source_updated_at: datetime | None  # aware
    flaws: tuple[str, ...] = ()  # one line for each field that could not be read, and is None or replaced


class Problem(NamedTuple):
    """A coin, or one point of a coin, that the answer holds but that cannot be read or stored."""

    symbol: str  # as requested, or the place in the answer if the coin is unknown or was not requested
    cmc_id: int | None
    reason: str  # one line, with the place in the answer if it cannot be read
    hour: str = ""  # the hour key that its row would have; empty if it cannot be read


class Parsed(NamedTuple):
    """What an answer holds, in its own order: a quote for each requested coin or point, and the unreadable rest."""

    quotes: list[Quote]
    problems: list[Problem]

    def of(self, ids: Collection[int]) -> Parsed:
        """What is of these coins."""
        quotes, problems = ([one for one in some if one.cmc_id in ids] for some in (self.quotes, self.problems))
        return Parsed(quotes, problems)  # type: ignore[arg-type]  # two kinds


_Fields = Mapping[str, object]
_Head = tuple[str, str, int, str]
_Value = float | None


def parse_latest(
    data: object,
    coins: Sequence[Coin],
    observed_at: datetime,
    *,
    endpoint: Literal["latest", "listings"] = "latest",
) -> Parsed:
    """The quotes in ``data`` of ``quotes/latest`` or ``listings/latest``.

    Args:
        data: a JSON value.
        coins: those requested.
        observed_at: aware; when the answer came.

    Raises:
        ContractError: ``data`` is neither a list nor an object.
    """
    parsed = Parsed([], [])
    for coin, path, found in _coins_in(data, coins, parsed.problems):
        flaws: list[str] = []
        try:
            head = _head(coin, found, path, flaws)
            place, numbers = _quote_in(found, path)
            values = _values(numbers, place, flaws)
        except InvalidRowError as exc:
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
            continue
        rank = whole(found.get("cmc_rank"))
        if found.get("cmc_rank") is not None and (rank is None or not 1 <= rank <= HIGHEST_RANK):
            flaws.append(f"{path}.cmc_rank is not a rank: {shown(found['cmc_rank'])}; it is left empty")
            rank = None
        updated = _first_time("last_updated", [(place, numbers), (path, found)], flaws)
        parsed.quotes.append(Quote(*head, *values, rank, CURRENCY, endpoint, observed_at, updated, tuple(flaws)))
    return parsed


def parse_historical(data: object, coins: Sequence[Coin]) -> Parsed:
    """The quotes in ``data`` of ``quotes/historical``, one for each point. Arguments and errors as in `parse_latest`.

    Each point has two stamps: the outer one is the interval's; the inner one, in the quote, is when that price was
    taken. They differ by minutes at times (the documentation's own example: 00:00:00 and 00:04:16). The inner one goes
    into ``observed_at``, so that no price is stored before the moment it was taken; the outer one replaces a missing
    inner one. So a point may lie a little outside the requested span.
    """
    parsed = Parsed([], [])
    for coin, path, found in _coins_in(data, coins, parsed.problems):
        flaws: list[str] = []
        try:
            head = _head(coin, found, path, flaws)
        except InvalidRowError as exc:
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
            continue
        points = found.get("quotes")
        if not isinstance(points, list):
            parsed.problems.append(Problem(coin.symbol, coin.cmc_id, f"{path}.quotes is not a list: {shown(points)}"))
            continue
        for index, point in enumerate(points):
            try:
                parsed.quotes.append(_past_quote(head, point, f"{path}.quotes[{index}]", flaws))
            except InvalidRowError as exc:  # noqa: PERF203 - each point fails alone
                parsed.problems.append(Problem(coin.symbol, coin.cmc_id, exc.message))
    return parsed


def _past_quote(head: _Head, point: object, path: str, coin_flaws: Sequence[str]) -> Quote:
    if not isinstance(point, dict):
        raise InvalidRowError(f"{path} is not an object: {shown(point)}")
    flaws = [*coin_flaws]
    place, numbers = _quote_in(point, path)
    values = _values(numbers, place, flaws)
    taken_at = _first_time("timestamp", [(place, numbers), (path, point)], flaws)
    if taken_at is None:
        raise InvalidRowError(f"{path} has no timestamp that can be read")
    return Quote(*head, *values, None, CURRENCY, "historical", taken_at, taken_at, tuple(flaws))


def _coins_in(data: object, coins: Sequence[Coin], problems: list[Problem]) -> Iterator[tuple[Coin, str, _Fields]]:
    """Each requested coin in the answer, with its place; twice if it was requested under two symbols."""
    requested: dict[int, list[Coin]] = {}
    for coin in coins:
        requested.setdefault(coin.cmc_id, []).append(coin)
    for path, found in _members(data):
        given = found.get("id") if isinstance(found, dict) else None
        cmc_id = whole(given)
        if not isinstance(found, dict):
            problems.append(Problem(path, None, f"{path} is not an object: {shown(found)}"))
        elif cmc_id is None or not 1 <= cmc_id <= HIGHEST_ID:
            problems.append(Problem(path, None, f"{path}.id is not an id: {shown(given)}"))
        elif cmc_id not in requested:
            problems.append(Problem(path, cmc_id, f"{path} is coin {cmc_id}, which was not requested"))
        else:
            yield from ((coin, path, found) for coin in requested[cmc_id])


def _members(data: object) -> Iterator[tuple[str, object]]:
    """The value of each coin, with its place in the answer, in any layout."""
    if isinstance(data, list):
        yield from ((f"data[{index}]", item) for index, item in enumerate(data))
    elif not isinstance(data, dict):
        raise ContractError(
            "CoinMarketCap's answer has neither a list nor an object of coins",
            next_step="nothing was stored; try again, and if it persists the API has changed",
        )
    elif "quotes" in data or "quote" in data:
        yield "data", data
    else:
        for key, item in data.items():
            path = f"data.{key[:40]!a}"
            if isinstance(item, list):
                yield from ((f"{path}[{index}]", one) for index, one in enumerate(item))
            else:
                yield path, item


def _head(coin: Coin, found: _Fields, path: str, flaws: list[str]) -> _Head:
    symbol, given = found.get("symbol"), found.get("name")
    if not isinstance(symbol, str) or len(symbol) > _LONGEST_TEXT:
        raise InvalidRowError(f"{path}.symbol is not a text of at most {_LONGEST_TEXT} characters")
    name = given[:_LONGEST_TEXT] if isinstance(given, str) else coin.symbol
    if name != given:
        flaws.append(f"{path}.name is not a text of at most {_LONGEST_TEXT} characters; replaced by {name!a}")
    return coin.symbol, symbol, coin.cmc_id, name


def _quote_in(fields: _Fields, path: str) -> tuple[str, _Fields]:
    """The place and the fields of a quote in the one currency that is requested."""
    quoted = fields.get("quote")
    if isinstance(quoted, list):
        quoted = {one["symbol"]: one for one in quoted if isinstance(one, dict) and one.get("symbol") == CURRENCY}
    found = quoted.get(CURRENCY) if isinstance(quoted, dict) else None
    if not isinstance(found, dict):
        raise InvalidRowError(f"{path}.quote has no quote in {CURRENCY}")
    return f"{path}.quote.{CURRENCY}", found


def _values(numbers: _Fields, path: str, flaws: list[str]) -> tuple[_Value, _Value, _Value, _Value, _Value, _Value]:
    """The price, which must be readable, and the numbers beside it."""
    price = _number(numbers.get("price"), f"{path}.price")
    spare: list[_Value] = []
    for name in _SPARE:
        try:
            spare.append(_number(numbers.get(name), f"{path}.{name}"))
        except InvalidRowError as error:  # noqa: PERF203 - each number fails alone
            flaws.append(f"{error.message}; it is left empty")
            spare.append(None)
    volume, market_cap, hour, day, week = spare
    return price, volume, market_cap, hour, day, week


def _number(value: object, place: str) -> _Value:
    """A number to all its digits; None if null. Not a bool."""
    if value is None or type(value) is float:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    raise InvalidRowError(f"{place} is not a number: {shown(value)}")


def _first_time(name: str, stamped: Sequence[tuple[str, _Fields]], flaws: list[str]) -> datetime | None:
    """The first time that can be read in a field of several objects, each with its place."""
    for path, fields in stamped:
        value = fields.get(name)
        found = instant(value) if isinstance(value, str) else None
        if found is not None:
            return found
        if value is not None:
            flaws.append(f"{path}.{name} is not a time: {shown(value)}")
    return None

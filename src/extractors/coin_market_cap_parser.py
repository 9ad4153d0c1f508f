"""CoinMarketCap's JSON as quotes. Pure: no I/O, no clock.

Reads every layout that the API's versions use, and those on which its own texts disagree: ``data`` as a list, as an
object by id or symbol, of coins or of lists of coins, or as one bare coin; ``quote`` as an object by currency or as a
list. A coin is identified by its own ``id`` field, never by its key.

Each coin and each point is read alone. If its id, symbol, price or time cannot be read it becomes a reject. Other
fields that cannot be read are left empty and noted with the quote, because the latest quote of an hour cannot be
fetched again. Prices are not validated here: null and negative ones pass on to the transformer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, NamedTuple

from adapters._bases.errors import ContractError, InvalidRowError
from adapters._bases.json_values import instant, whole
from adapters._bases.wording import shown
from adapters.http.coin_market_cap_http_adapter import CURRENCY
from transformers.coverage import Remark

# The maximum of the table's column; CoinMarketCap's ids have five digits so far.
_HIGHEST_ID = 2**32 - 1
_HIGHEST_RANK = 2**31 - 1
# Characters of a symbol or a name: a stored text of megabytes could not be read back from a backup.
LONGEST_TEXT = 200
_SPARE = ("volume_24h", "market_cap", "percent_change_1h", "percent_change_24h", "percent_change_7d")

Endpoint = Literal["latest", "historical", "listings"]
"""The last: a member of the list of the largest coins."""
_Fields = Mapping[str, object]
_Place = tuple[str, _Fields]  # of an object in the answer, such as data[0].quote.USD


class Coin(NamedTuple):
    """A coin that the job follows, by the ticker that is stored and CoinMarketCap's permanent id."""

    symbol: str
    cmc_id: int

    def __str__(self) -> str:
        return f"{self.symbol} (id {self.cmc_id})"


class Quote(NamedTuple):
    """One observation of one coin's price, as CoinMarketCap sent it, neither checked nor rounded.

    Numbers are finite, or None if the source has none; their units are those of the columns of `PriceRow`.
    """

    symbol: str  # requested under this symbol
    source_symbol: str  # in the answer; differs after a project renames itself
    cmc_id: int
    name: str
    price: float | None  # in `CURRENCY`
    numbers: Mapping[str, float | None]  # beside the price, by column
    cmc_rank: int | None
    endpoint: Endpoint
    observed_at: datetime  # aware; when the answer came, or a past quote's own time
    source_updated_at: datetime | None  # aware
    flaws: tuple[str, ...] = ()  # one line for each field that could not be read, and is None or replaced


class Parsed(NamedTuple):
    """What an answer holds, in its own order: a quote for each requested coin or point, and the unreadable rest."""

    quotes: list[Quote]
    rejects: list[Remark]  # named by their place in the answer if the coin was not requested


def parse_quotes(
    data: object, coins: Sequence[Coin], endpoint: Endpoint, *, observed_at: datetime | None = None
) -> Parsed:
    """The quotes in ``data``; of ``quotes/historical`` one for each point. ContractError if it holds no coins at all.

    Args:
        coins: those requested.
        observed_at: aware; when the answer came. None for past quotes, each of which has its own time.
    """
    parsed = Parsed([], [])
    for coin, path, found in _coins_in(data, coins, parsed.rejects):
        flaws: list[str] = []
        try:
            head = _head(coin, found, path, flaws)
            points = [(path, found)] if observed_at else _points(found, path)
        except InvalidRowError as exc:
            parsed.rejects.append(Remark(coin.symbol, exc.message, name=str(coin)))
            continue
        for place, point in points:
            try:
                parsed.quotes.append(_quote(head, (place, point), endpoint, observed_at, [*flaws]))
            except InvalidRowError as exc:  # noqa: PERF203 - each point fails alone
                parsed.rejects.append(Remark(coin.symbol, exc.message, name=str(coin)))
    return parsed


def id_of(coin: Mapping[str, Any]) -> int | None:
    """The id of a coin in an answer; None if it cannot be read or stored."""
    cmc_id = whole(coin.get("id"))
    return cmc_id if cmc_id and 1 <= cmc_id <= _HIGHEST_ID else None


def as_rank(value: object) -> int | None:
    """A value as a rank; None if it cannot be read or stored."""
    rank = whole(value)
    return rank if rank and 1 <= rank <= _HIGHEST_RANK else None


def _coins_in(data: object, coins: Sequence[Coin], rejects: list[Remark]) -> Iterator[tuple[Coin, str, _Fields]]:
    """Each requested coin in the answer, with its place; twice if it was requested under two symbols."""
    requested: dict[int, list[Coin]] = {}
    for coin in coins:
        requested.setdefault(coin.cmc_id, []).append(coin)
    for path, found in _members(data):
        if not isinstance(found, dict):
            rejects.append(Remark(path, f"{path} is not an object: {shown(found)}"))
        elif (cmc_id := id_of(found)) is None:
            rejects.append(Remark(path, f"{path}.id is not an id: {shown(found.get('id'))}"))
        elif cmc_id not in requested:
            rejects.append(Remark(path, f"{path} is coin {cmc_id}, which was not requested"))
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


def _head(coin: Coin, found: _Fields, path: str, flaws: list[str]) -> tuple[str, str, int, str]:
    symbol, given = found.get("symbol"), found.get("name")
    if not isinstance(symbol, str) or len(symbol) > LONGEST_TEXT:
        raise InvalidRowError(f"{path}.symbol is not a text of at most {LONGEST_TEXT} characters")
    name = given[:LONGEST_TEXT] if isinstance(given, str) else coin.symbol
    if name != given:
        flaws.append(f"{path}.name is not a text of at most {LONGEST_TEXT} characters; replaced by {name!a}")
    return coin.symbol, symbol, coin.cmc_id, name


def _points(found: _Fields, path: str) -> list[tuple[str, _Fields]]:
    points = found.get("quotes")
    if not isinstance(points, list):
        raise InvalidRowError(f"{path}.quotes is not a list: {shown(points)}")
    return [(f"{path}.quotes[{index}]", point) for index, point in enumerate(points)]


def _quote(
    head: tuple[str, str, int, str], point: _Place, endpoint: Endpoint, observed_at: datetime | None, flaws: list[str]
) -> Quote:
    path, fields = point
    if not isinstance(fields, dict):
        raise InvalidRowError(f"{path} is not an object: {shown(fields)}")
    quoted = fields.get("quote")
    if isinstance(quoted, list):
        quoted = {one["symbol"]: one for one in quoted if isinstance(one, dict) and one.get("symbol") == CURRENCY}
    own = quoted.get(CURRENCY) if isinstance(quoted, dict) else None
    if not isinstance(own, dict):
        raise InvalidRowError(f"{path}.quote has no quote in {CURRENCY}")
    place = f"{path}.quote.{CURRENCY}"
    price = _number(own, "price", place)
    numbers = {name: _number(own, name, place, flaws) for name in _SPARE}
    given = fields.get("cmc_rank")
    rank = as_rank(given)
    if rank is None and given is not None:
        flaws.append(f"{path}.cmc_rank is not a rank: {shown(given)}; it is left empty")
    # A point has two stamps, which differ by minutes at times (the documentation's own example: 00:00:00 and 00:04:16):
    # the outer one is the interval's; the inner one is when that price was taken, before which it must not be stored.
    updated = _first_time("last_updated" if observed_at else "timestamp", [(place, own), point], flaws)
    seen_at = observed_at or updated
    if seen_at is None:
        raise InvalidRowError(f"{path} has no timestamp that can be read")
    return Quote(*head, price, numbers, rank, endpoint, seen_at, updated, tuple(flaws))


def _number(fields: _Fields, name: str, place: str, flaws: list[str] | None = None) -> float | None:
    """A number to all its digits, not a bool; None if null, or if it cannot be read and `flaws` are noted."""
    value = fields.get(name)
    if value is None or type(value) is float:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    message = f"{place}.{name} is not a number: {shown(value)}"
    if flaws is None:
        raise InvalidRowError(message)
    flaws.append(f"{message}; it is left empty")
    return None


def _first_time(name: str, stamped: Sequence[_Place], flaws: list[str]) -> datetime | None:
    """The first time that can be read in a field of several objects."""
    for path, fields in stamped:
        value = fields.get(name)
        found = instant(value) if isinstance(value, str) else None
        if found is not None:
            return found
        if value is not None:
            flaws.append(f"{path}.{name} is not a time: {shown(value)}")
    return None

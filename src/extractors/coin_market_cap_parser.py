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

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from adapters._bases.errors import ContractError, InvalidRowError
from adapters.http.coin_market_cap_quote import Coin, Quote
from extractors.coin_market_cap_fields import Fields, Spare, fields_of


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

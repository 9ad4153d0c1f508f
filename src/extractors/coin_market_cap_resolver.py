"""From the symbols of the settings to coins, once and for good."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from adapters._bases.errors import ConfigurationError, ContractError, SourceRejected, StateError
from adapters._bases.json_values import instant, whole
from adapters._bases.wording import shown
from adapters.files.choices import Choices
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import LONGEST_TEXT, Coin, as_rank, id_of

_INVALID_VALUE = 400
# The map answers a list of unknown symbols with 400 and names them in its text.
_NAMED_UNKNOWN = re.compile(r'Invalid values? for "symbol": "([^"]*)"')
# Symbols of a call: keeps the request line below the 8,190 bytes that common servers take.
_MOST_SYMBOLS = 250

# The id of the latest stored price of each symbol that has any; None if that cannot be read now.
Stored = Callable[[Sequence[str]], Mapping[str, int] | None]

log = structlog.get_logger(__name__)


class Candidate(NamedTuple):
    """An active coin of the map. A missing rank says nothing of its size."""

    cmc_id: int
    name: str
    rank: int | None

    def __str__(self) -> str:
        """Return, for example, ``Solana (id 5426, rank 6)``."""
        return f"{self.name} (id {self.cmc_id}, {'unranked' if self.rank is None else f'rank {self.rank}'})"


async def resolve_coins(
    source: CoinMarketCapHttpAdapter,
    choices: Choices[int],
    entries: Sequence[tuple[str, int | None]],
    *,
    stored: Stored,
    keep: bool = True,
) -> tuple[list[Coin], ConfigurationError | None]:
    """The coin behind each symbol of the settings, (symbol, id or None), and why others have none. Idempotent.

    An id given with a symbol is used and kept. But if prices of another id are stored under that symbol, or another id
    is kept and the database cannot be read, the symbol has no coin until the operator confirms the change.

    A symbol without an id is looked up among the kept choices, and only then in CoinMarketCap's map, which is free of
    charge: the active coin of the lowest rank, then the lowest id, is chosen, kept and logged. If an unranked one has a
    lower id, the symbol is ambiguous and has no coin.

    Args:
        keep: whether to keep new choices.
        stored: called for symbols whose id in the settings is not the kept one; may block for seconds.
    """
    symbols = [symbol for symbol, _ in entries]
    pins = {symbol: cmc_id for symbol, cmc_id in entries if cmc_id is not None}
    kept, doubts = choices.load(), dict[str, str]()
    new = [symbol for symbol in symbols if symbol not in pins and symbol not in kept]
    candidates = _candidates(await _map_of(source, new), new, doubts) if new else {}
    found = {symbol: _chosen(symbol, *coins) for symbol, coins in candidates.items() if symbol not in doubts}
    refused = await _refused(pins, kept, stored) if pins else {}
    taken = {symbol: cmc_id for symbol, cmc_id in pins.items() if symbol not in refused}
    for symbol, cmc_id in taken.items():
        if kept.get(symbol, cmc_id) != cmc_id:
            log.warning("coin changed by the settings", symbol=symbol, cmc_id=cmc_id, before=kept[symbol])
    meant = {**kept, **found, **taken}
    if keep and meant != kept:
        try:
            choices.save(meant)
        except StateError as error:
            if found:
                raise
            # The ids of the settings are there the next time: a full disk costs no hour for them.
            log.warning("the ids of SYMBOLS are not kept", reason=error.message)
    coins = [Coin(symbol, meant[symbol]) for symbol in symbols if symbol in meant and symbol not in refused]
    doubts |= refused
    reasons = [*doubts.values()]
    if unknown := [symbol for symbol in symbols if symbol not in meant and symbol not in doubts]:
        reasons.append(f"CoinMarketCap has no active coin with the symbol {', '.join(unknown)}")
    if not reasons:
        return coins, None
    step = "correct SYMBOLS, or give the coin's id with it (such as BTC:1); ./run.sh coins lists them"
    return coins, ConfigurationError(f"SYMBOLS: {'; '.join(reasons)}", next_step=step)


async def beginnings(
    source: CoinMarketCapHttpAdapter, coins: Sequence[Coin], symbols: Collection[str]
) -> dict[str, datetime]:
    """When the history of symbols begins, as far as CoinMarketCap's map, which is free of charge, says so."""
    rows = [row for row in await _map_of(source, sorted(symbols)) if isinstance(row, dict)]
    firsts = {whole(row.get("id")): instant(str(row.get("first_historical_data"))) for row in rows}
    return {coin.symbol: first for coin in coins if coin.symbol in symbols and (first := firsts.get(coin.cmc_id))}


async def misnamed(source: CoinMarketCapHttpAdapter, coins: Sequence[Coin]) -> list[str]:
    """Those of the coins that CoinMarketCap's map, which is free of charge, does not list under their symbol.

    A symbol with other characters than letters and digits is left out: the map refuses it.
    """
    symbols = sorted({coin.symbol for coin in coins if coin.symbol.isascii() and coin.symbol.isalnum()})
    found = _candidates(await _map_of(source, symbols), symbols, {})
    listed = {symbol: found.get(symbol, []) for symbol in symbols}
    return [
        f"{coin.symbol} (id {coin.cmc_id}): CoinMarketCap's active coins of this symbol are "
        f"{', '.join(map(str, listed[coin.symbol])) or 'none'}"
        for coin in coins
        if coin.symbol in listed and coin.cmc_id not in [one.cmc_id for one in listed[coin.symbol]]
    ]


async def _refused(pins: Mapping[str, int], kept: Mapping[str, int], stored: Stored) -> dict[str, str]:
    """Symbol to why its id in the settings is not used, for those whose stored prices are another coin's."""
    new = [symbol for symbol, cmc_id in pins.items() if kept.get(symbol) != cmc_id]
    before = await asyncio.to_thread(stored, new) if new else {}
    if before is None:
        before = {symbol: kept[symbol] for symbol in new if symbol in kept}
    return {
        symbol: f"{symbol} is stored under id {before[symbol]}, and SYMBOLS names id {pins[symbol]}: nothing is stored "
        f"for it until that is settled: SYMBOLS={symbol}:{before[symbol]} keeps the coin; `./run.sh coins --accept "
        f"{symbol}:{pins[symbol]}` confirms the change; without an id in SYMBOLS, `./run.sh coins --reset {symbol}` "
        "has the next run look it up"
        for symbol in new
        if before.get(symbol, pins[symbol]) != pins[symbol]
    }


async def _map_of(source: CoinMarketCapHttpAdapter, symbols: Sequence[str]) -> list[Any]:
    """The map's rows of the symbols, without those that make it refuse the whole list."""
    if not symbols:
        return []
    first, *others = [symbols[at : at + _MOST_SYMBOLS] for at in range(0, len(symbols), _MOST_SYMBOLS)]
    try:
        rows = await source.coin_map(first)
        if not isinstance(rows, list):
            step = "write the coins' ids into SYMBOLS (such as BTC:1)"
            raise ContractError("CoinMarketCap's map is not a list of coins", next_step=step)
    except SourceRejected as exc:
        if exc.code != _INVALID_VALUE:
            raise
        named = _NAMED_UNKNOWN.search(exc.message)
        blamed = {name.strip().upper() for name in named[1].split(",")} if named else set()
        rows, left = [], [symbol for symbol in first if symbol not in blamed]
        # If it names none of them, any may be the reason: it is asked for each half, down to one symbol.
        middle = len(first) // 2
        others += [left] if len(left) < len(first) else [left[:middle], left[middle:]] if middle else []
    return [*rows, *[row for part in others for row in await _map_of(source, part)]]


def _candidates(rows: Sequence[Any], symbols: Collection[str], doubts: dict[str, str]) -> dict[str, list[Candidate]]:
    """The map's active coins of each symbol that has any, the lowest rank first, then the lowest id.

    A row that cannot be read adds to ``doubts``: a choice is kept for good, and that coin may be the right one.
    """
    found: dict[str, list[Candidate]] = {}
    symbols = frozenset(symbols)
    for index, row in enumerate(rows):
        symbol = str(row.get("symbol")).upper() if isinstance(row, dict) else ""
        if symbol not in symbols or whole(row.get("is_active")) == 0:
            continue
        cmc_id, rank, name = id_of(row), as_rank(row.get("rank")), row.get("name")
        readable = {
            "is_active": whole(row.get("is_active")) == 1,
            "id": cmc_id is not None,
            "rank": rank is not None or row.get("rank") is None,
        }
        if wrong := [f"{field} is {shown(row.get(field))}" for field, fine in readable.items() if not fine]:
            doubts[symbol] = (
                f"{symbol} is ambiguous: a coin of CoinMarketCap's map cannot be read (data[{index}]: "
                f"{', '.join(wrong)}); name the id: SYMBOLS={symbol}:ID"
            )
        else:
            name = name[:LONGEST_TEXT] if isinstance(name, str) else symbol
            found.setdefault(symbol, []).append(Candidate(cmc_id or 0, name, rank))
    for symbol, candidates in found.items():
        candidates.sort(key=lambda coin: (coin.rank is None, coin.rank or 0, coin.cmc_id))
        # A large coin can be without its rank for a while, and it mostly has the lowest id.
        chosen = candidates[0]
        older = [coin for coin in candidates if coin.rank is None and coin.cmc_id < chosen.cmc_id]
        if older:
            entries = " or ".join(f"SYMBOLS={symbol}:{coin.cmc_id}" for coin in (chosen, *older))
            doubts[symbol] = (
                f"{symbol} is ambiguous: {chosen} has the best rank, but {', '.join(map(str, older))} a lower id; "
                f"name the one that is meant: {entries}"
            )
    return found


def _chosen(symbol: str, chosen: Candidate, *others: Candidate) -> int:
    why = "the best rank" if chosen.rank is not None else "the lowest id, since none is ranked"
    why = why if others else "the only active coin"
    facts = {"symbol": symbol, "coin": str(chosen), "why": why, "others": [str(coin) for coin in others]}
    if any(coin.rank is None for coin in others):
        log.warning("coin chosen, another is unranked", **facts, to_choose_another=f"SYMBOLS={symbol}:ID")
    else:
        log.info("coin chosen", **facts)
    return chosen.cmc_id

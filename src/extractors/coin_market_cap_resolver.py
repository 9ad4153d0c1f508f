"""From the symbols of the settings to coins, once and for good."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog

from adapters._bases.errors import ConfigurationError, ContractError, SourceRejected, StateError
from adapters._bases.json_values import flag, shown, whole
from adapters.files.choices import Choices
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import HIGHEST_ID, HIGHEST_RANK, Coin

_INVALID_VALUE = 400
# The map answers a list of unknown symbols with 400 and names them in its text.
_NAMED_UNKNOWN = re.compile(r'Invalid values? for "symbol": "([^"]*)"')
# Keeps the request line below the 8,190 bytes that common servers take.
_LONGEST_LIST = 7_500
_LONGEST_NAME = 200

# The id of the latest stored price of each symbol that has any; None if that cannot be read now.
Stored = Callable[[Sequence[str]], Mapping[str, int] | None]

log = structlog.get_logger(__name__)


class Candidate(NamedTuple):
    """An active coin of the map. A missing rank says nothing of its size."""

    symbol: str
    cmc_id: int
    name: str
    rank: int | None

    def __str__(self) -> str:
        """Return, for example, ``Solana (id 5426, rank 6)``."""
        return f"{self.name} (id {self.cmc_id}, {'unranked' if self.rank is None else f'rank {self.rank}'})"


class Candidates(NamedTuple):
    """The active coins of one symbol, the lowest rank first, then the lowest id; and the unreadable rows.

    With an unreadable row (its id, if there is one, and the reason) no coin is chosen: the choice is kept for good, and
    this coin may be the right one.
    """

    coins: list[Candidate]
    unreadable: list[tuple[int | None, str]]

    def doubt(self, symbol: str) -> str:
        """One line: why no coin is chosen for the symbol, and what to write into the settings."""
        ids = [coin.cmc_id for coin in self.coins] + [cmc_id for cmc_id, _ in self.unreadable if cmc_id]
        reasons = "; ".join(reason for _, reason in self.unreadable)
        beside = f" beside {', '.join(map(str, self.coins))}" if self.coins else ""
        return (
            f"{symbol} is ambiguous: CoinMarketCap's map has a coin of that symbol{beside} that cannot be read "
            f"({reasons}); name the id: SYMBOLS={symbol}:{min(ids, default='ID')}"
        )

    def log_choice(self) -> None:
        """Log the first coin as chosen, with the reason and the others; a warning if one of these is unranked."""
        chosen, *others = self.coins
        why = "the only active coin"
        if others:
            why = "the lowest id, since none is ranked" if chosen.rank is None else "the best rank"
        facts = {"symbol": chosen.symbol, "coin": str(chosen), "why": why, "others": [str(coin) for coin in others]}
        if (rival := next((coin for coin in others if coin.rank is None), None)) is None:
            log.info("coin chosen", **facts)
        else:
            doubt = f"{rival} is active too; to choose it: SYMBOLS={rival.symbol}:{rival.cmc_id}"
            log.warning("coin chosen", **facts, doubt=doubt)


class Resolution(NamedTuple):
    """The coins found, in the settings' order, each symbol once; and the symbols without one."""

    coins: list[Coin]
    unknown: tuple[str, ...] = ()  # no active coin has the symbol
    doubts: tuple[str, ...] = ()  # none of its coins can be chosen: the reason and what to do, one line each

    def complaint(self) -> ConfigurationError | None:
        """Why symbols have no coin, and what to write into the settings; None if all have one."""
        reasons = [*self.doubts]
        if self.unknown:
            reasons.append(f"CoinMarketCap has no active coin with the symbol {', '.join(self.unknown)}")
        if not reasons:
            return None
        return ConfigurationError(
            f"SYMBOLS: {'; '.join(reasons)}",
            next_step="correct SYMBOLS, or give the coin's id with it (such as BTC:1); ./run.sh coins lists them",
        )


def candidates_by_symbol(rows: object, symbols: Iterable[str]) -> dict[str, Candidates]:
    """The map's coins of each symbol, upper case; rows of inactive coins, and those without a symbol, are skipped."""
    if not isinstance(rows, list):
        raise ContractError(
            "CoinMarketCap's map is not a list of coins",
            next_step="write the coins' ids into SYMBOLS (such as BTC:1)",
        )
    found = {symbol: Candidates([], []) for symbol in symbols}
    for index, row in enumerate(rows):
        symbol = row["symbol"].upper() if isinstance(row, dict) and isinstance(row.get("symbol"), str) else ""
        candidates = found.get(symbol)
        if candidates is None or flag(row.get("is_active")) is False:
            continue
        if wrong := _unreadable(row):
            candidates.unreadable.append((whole(row.get("id")), f"data[{index}].{wrong}"))
            continue
        name = row["name"][:_LONGEST_NAME] if isinstance(row.get("name"), str) else symbol
        candidates.coins.append(Candidate(symbol, whole(row["id"]) or 0, name, whole(row.get("rank"))))
    for candidates in found.values():
        candidates.coins.sort(key=lambda coin: (coin.rank is None, coin.rank or 0, coin.cmc_id))
    return found


def _unreadable(row: Mapping[str, object]) -> str:
    """The field that decides the choice and cannot be read, with the reason; empty if there is none."""
    cmc_id, rank = whole(row.get("id")), whole(row.get("rank"))
    if flag(row.get("is_active")) is None:
        return f"is_active is not yes or no: {shown(row.get('is_active'))}"
    if cmc_id is None or not 1 <= cmc_id <= HIGHEST_ID:
        return f"id is not an id: {shown(row.get('id'))}"
    if row.get("rank") is not None and (rank is None or not 1 <= rank <= HIGHEST_RANK):
        return f"rank is not a rank: {shown(row['rank'])}"
    return ""


async def resolve_coins(
    source: CoinMarketCapHttpAdapter,
    choices: Choices[int],
    entries: Sequence[tuple[str, int | None]],
    *,
    stored: Stored,
) -> Resolution:
    """The coin behind each symbol of the settings. Idempotent.

    An id given with a symbol is used and kept. But if prices of another id are stored under that symbol, or another id
    is kept and the database cannot be read, the symbol has no coin until the operator confirms the change.

    A symbol without an id is looked up among the kept choices, and only then in CoinMarketCap's map, which is free of
    charge: the active coin of the lowest rank, then the lowest id, is chosen, kept and logged.

    Args:
        entries: (symbol, id or None); symbols in upper case.
        stored: called for symbols whose id in the settings is not the kept one; may block for seconds.

    Raises:
        ConfigurationError: one symbol has two ids; nothing is kept.
        StateError: the choices cannot be read, or a new one cannot be kept.
        SourceUnavailable, SourceRejected, ContractError: the map cannot be read; nothing is kept.
    """
    pins = _pins(entries)
    kept = choices.load()
    symbols = list(dict.fromkeys(symbol for symbol, _ in entries))
    new = [symbol for symbol in symbols if symbol not in pins and symbol not in kept]
    asked = await _look_up(source, new)
    found = {symbol: of.coins[0].cmc_id for symbol, of in asked.items() if of.coins and not of.unreadable}
    for symbol in found:
        asked[symbol].log_choice()
    refused = await _refused(pins, kept, stored)
    taken = {symbol: cmc_id for symbol, cmc_id in pins.items() if symbol not in refused}
    for symbol, cmc_id in taken.items():
        if kept.get(symbol, cmc_id) != cmc_id:
            log.warning("coin changed by the settings", symbol=symbol, cmc_id=cmc_id, before=kept[symbol])
    meant = {**kept, **found, **taken}
    if meant != kept:
        try:
            choices.save(meant)
        except StateError as error:
            if found:
                raise
            # The ids of the settings are there the next time: a full disk costs no hour for them.
            log.warning("the ids of SYMBOLS are not kept", reason=error.message)
    doubts = {symbol: of.doubt(symbol) for symbol, of in asked.items() if of.unreadable} | refused
    unknown = tuple(symbol for symbol in symbols if symbol not in meant and symbol not in doubts)
    coins = [Coin(symbol, meant[symbol]) for symbol in symbols if symbol in meant and symbol not in refused]
    return Resolution(coins, unknown, tuple(doubts.values()))


def _pins(entries: Sequence[tuple[str, int | None]]) -> dict[str, int]:
    pins: dict[str, int] = {}
    for symbol, cmc_id in entries:
        if cmc_id is not None and pins.setdefault(symbol, cmc_id) != cmc_id:
            raise ConfigurationError(
                f"SYMBOLS: {symbol} has two ids, {pins[symbol]} and {cmc_id}",
                next_step="keep one of them: a table row is identified by its symbol",
            )
    return pins


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


async def _look_up(source: CoinMarketCapHttpAdapter, symbols: Sequence[str]) -> dict[str, Candidates]:
    """What CoinMarketCap's map says of these symbols."""
    size = max(1, _LONGEST_LIST // (max(map(len, symbols), default=0) + 1))
    found: dict[str, Candidates] = {}
    for start in range(0, len(symbols), size):
        found |= await _map_of(source, symbols[start : start + size])
    return found


async def _map_of(source: CoinMarketCapHttpAdapter, symbols: Sequence[str]) -> dict[str, Candidates]:
    """The active coins of each symbol; none of a symbol that makes the map refuse the whole list."""
    try:
        return candidates_by_symbol(await source.coin_map(symbols), symbols)
    except SourceRejected as exc:
        if exc.code != _INVALID_VALUE:
            raise
        named = _NAMED_UNKNOWN.search(exc.message)
        blamed = {name.strip().upper() for name in named[1].split(",")} if named else set()
    others = [symbol for symbol in symbols if symbol not in blamed]
    # If it names none of them, any may be unknown.
    return await _map_of(source, others) if others and len(others) < len(symbols) else {}

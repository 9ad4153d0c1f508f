"""From the symbols of the settings to coins, once and for good."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog

from adapters._bases.errors import ConfigurationError, ContractError, InvalidRowError, SourceRejected, StateError
from adapters._bases.json_values import flag, whole
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import Fields, Spare
from extractors.coin_market_cap_quote import Coin


class Candidate(NamedTuple):
    """An active coin that has a symbol.

    Attributes:
        symbol: upper case.
        cmc_id: CoinMarketCap's id.
        name: the coin's name; the symbol where it cannot be read.
        rank: 1 is the largest market cap; None for an unranked coin.
    """

    symbol: str
    cmc_id: int
    name: str
    rank: int | None

    def __str__(self) -> str:
        """Such as ``Solana (id 5426, rank 6)``."""
        return f"{self.name} (id {self.cmc_id}, {'unranked' if self.rank is None else f'rank {self.rank}'})"


class Candidates(NamedTuple):
    """What the map says of one symbol.

    Attributes:
        coins: the active ones, the one meant first: lowest rank, then lowest id.
        unreadable: each row that may be an active coin and cannot be judged: its id, None where that cannot be read
            either, and the reason. With one of them no coin is meant: to choose among the others would be to decide for
            good on what is not known.
    """

    coins: list[Candidate]
    unreadable: list[tuple[int | None, str]]

    def doubt(self, symbol: str) -> str:
        """One line that says why no coin is chosen for the symbol and what to write into the settings."""
        ids = [coin.cmc_id for coin in self.coins] + [cmc_id for cmc_id, _ in self.unreadable if cmc_id]
        reasons = "; ".join(reason for _, reason in self.unreadable)
        beside = f" beside {', '.join(map(str, self.coins))}" if self.coins else ""
        return (
            f"{symbol} is not decided, for CoinMarketCap's map has a coin of that symbol{beside} "
            f"that cannot be read ({reasons}); name the id: SYMBOLS={symbol}:{min(ids, default='ID')}"
        )

    def choice(self) -> tuple[str, str]:
        """Why the first coin is the one meant, and the doubt that is left, or an empty text."""
        chosen, *others = self.coins
        if not others:
            return "the only active coin", ""
        why = "the lowest id, for none is ranked" if chosen.rank is None else "the best rank"
        rival = next((coin for coin in others if coin.rank is None), None)
        if rival is None:
            return why, ""
        return why, f"{rival} is active too; if that is the coin meant: SYMBOLS={rival.symbol}:{rival.cmc_id}"


def candidates_by_symbol(data: object, symbols: Iterable[str]) -> dict[str, Candidates]:
    """What the map says of each symbol.

    Args:
        data: of ``/v1/cryptocurrency/map``. Rows of coins that are not active are passed over, however odd they are;
            so are those without a symbol that can be read.
        symbols: those asked for, upper case; each is a key of the result.

    Raises:
        ContractError: ``data`` is not a list.
    """
    if not isinstance(data, list):
        raise ContractError(
            "CoinMarketCap's map is not a list of coins",
            next_step="write the coins' ids into SYMBOLS (such as BTC:1)",
            json_path="data",
        )
    found = {symbol: Candidates([], []) for symbol in symbols}
    for index, row in enumerate(data):
        symbol = row.get("symbol") if isinstance(row, dict) else None
        of_symbol = found.get(symbol.upper()) if isinstance(symbol, str) else None
        if of_symbol is not None and flag(row.get("is_active")) is not False:
            try:
                of_symbol.coins.append(_candidate(Fields(f"data[{index}]", row)))
            except InvalidRowError as error:
                of_symbol.unreadable.append((whole(row.get("id")), error.message))
    for of_symbol in found.values():
        of_symbol.coins.sort(key=lambda coin: (coin.rank is None, coin.rank or 0, coin.cmc_id))
    return found


def _candidate(fields: Fields) -> Candidate:
    """The coin of a row, whatever its name, which decides nothing."""
    fields.flag("is_active")
    symbol = fields.text("symbol").upper()
    return Candidate(symbol, fields.identity("id"), Spare().name(fields, symbol), fields.rank("rank"))


_INVALID_VALUE = 400
# The map answers a list of unknown symbols with 400 and names them in its text.
_NAMED_UNKNOWN = re.compile(r'Invalid values? for "symbol": "([^"]*)"')
# Keeps the request line below the 8,190 bytes that common servers take.
_LONGEST_LIST = 7_500

log = structlog.get_logger(__name__)


class Resolution(NamedTuple):
    """What came of a look for coins.

    Attributes:
        coins: those found, in the entries' order, each symbol once.
        unknown: symbols that no active coin has, in that order.
        doubts: for each symbol that has coins of which none can be chosen, the reason and what to do: one line.
    """

    coins: list[Coin]
    unknown: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def complaint(self) -> ConfigurationError | None:
        """Why symbols have no coin, and what to write into the settings; None when all have one."""
        reasons = (
            [f"CoinMarketCap has no active coin with the symbol {', '.join(self.unknown)}"] if self.unknown else []
        )
        if not reasons and not self.doubts:
            return None
        return ConfigurationError(
            f"SYMBOLS: {'; '.join([*self.doubts, *reasons])}",
            next_step="correct SYMBOLS, or give the coin's id with it (such as BTC:1); ./run.sh coins lists them",
        )


Stored = Callable[[Sequence[str]], Mapping[str, int] | None]
"""Gives the id of the latest stored price of each symbol that has any; None where that cannot be known now."""


def nothing_stored(_symbols: Sequence[str]) -> Mapping[str, int]:
    """The answer where no price is stored."""
    return {}


class CoinMarketCapResolver:
    """Finds the coin behind each symbol and keeps the choice.

    Args:
        source: asked for symbols that have no id yet; its map is free of charge.
        choices: where the choices are kept.
        stored: asked for symbols whose id in the settings is not the one that is kept; may take its time.
    """

    def __init__(
        self, *, source: CoinMarketCapHttpAdapter, choices: CoinChoices, stored: Stored = nothing_stored
    ) -> None:
        self._source = source
        self._choices = choices
        self._stored = stored

    async def resolve(self, entries: Sequence[tuple[str, int | None]]) -> Resolution:
        """The coins meant. Idempotent.

        An id given with a symbol is used as it is and kept, so that its symbol means the same coin without it. But
        where prices of another id are stored under it, or another id is kept and that cannot be known, the symbol has
        no coin until a person confirms the change.

        A symbol without an id is looked up among the choices kept; only if it is not there is CoinMarketCap asked, and
        of the active coins the one with the lowest rank, then the lowest id, is chosen, kept and logged with the reason
        and the others: as a warning where one of the others is unranked, which says nothing of how large it is. Nothing
        is chosen for a symbol of which a row cannot be read. Whenever another coin than the last time is meant, that is
        logged as a warning.

        Args:
            entries: (symbol, id or None); symbols in upper case.

        Raises:
            ConfigurationError: one symbol is given two ids; nothing is kept.
            StateError: the choices cannot be read, or one that was made cannot be kept.
            SourceUnavailable, SourceRejected, ContractError: the map cannot be had; nothing is kept.
        """
        pins = _pins(entries)
        kept = self._choices.load()
        symbols = list(dict.fromkeys(symbol for symbol, _ in entries))
        new = [symbol for symbol in symbols if symbol not in pins and symbol not in kept]
        asked = await self._asked(new) if new else {}
        found = {symbol: of.coins[0].cmc_id for symbol, of in asked.items() if of.coins and not of.unreadable}
        _tell({symbol: asked[symbol] for symbol in found})
        changed = await self._changed(pins, kept)
        for symbol, cmc_id in pins.items():
            if kept.get(symbol, cmc_id) != cmc_id and symbol not in changed:
                log.warning("coin changed by the settings", symbol=symbol, cmc_id=cmc_id, before=kept[symbol])
        chosen = {**kept, **found, **{symbol: pins[symbol] for symbol in pins if symbol not in changed}}
        if chosen != kept:
            self._keep(chosen, made=bool(found))
        coins = [Coin(symbol, chosen[symbol]) for symbol in symbols if symbol in chosen and symbol not in changed]
        doubts = {symbol: of.doubt(symbol) for symbol, of in asked.items() if of.unreadable} | changed
        unknown = tuple(symbol for symbol in symbols if symbol not in chosen and symbol not in doubts)
        return Resolution(coins, unknown, tuple(doubts.values()))

    async def _changed(self, pins: Mapping[str, int], kept: Mapping[str, int]) -> dict[str, str]:
        """Symbol to why its id in the settings is not taken, of those whose stored prices are another coin's."""
        new = [symbol for symbol, cmc_id in pins.items() if kept.get(symbol) != cmc_id]
        stored = await asyncio.to_thread(self._stored, new) if new else {}
        before = {symbol: kept[symbol] for symbol in new if symbol in kept} if stored is None else stored
        return {
            symbol: _refusal(symbol, pins[symbol], before[symbol])
            for symbol in new
            if before.get(symbol, pins[symbol]) != pins[symbol]
        }

    def _keep(self, chosen: Mapping[str, int], *, made: bool) -> None:
        """Save the choices. Those of the settings are there the next time: a full disk costs no hour for them."""
        try:
            self._choices.save(chosen)
        except StateError as error:
            if made:
                raise
            log.warning("the ids of SYMBOLS are not kept", reason=error.message)

    async def _asked(self, symbols: Sequence[str]) -> dict[str, Candidates]:
        """What CoinMarketCap's map says of these symbols."""
        size = max(1, _LONGEST_LIST // (max(map(len, symbols)) + 1))
        found: dict[str, Candidates] = {}
        for start in range(0, len(symbols), size):
            found |= await self._map_of(symbols[start : start + size])
        return found

    async def _map_of(self, symbols: Sequence[str]) -> dict[str, Candidates]:
        """The active coins of each symbol: none of one that makes the map refuse the whole list."""
        try:
            return candidates_by_symbol(await self._source.coin_map(symbols), symbols)
        except SourceRejected as exc:
            if exc.code != _INVALID_VALUE:
                raise
            named = _NAMED_UNKNOWN.search(exc.message)
            blamed = {name.strip().upper() for name in named.group(1).split(",")} if named else set()
        others = [symbol for symbol in symbols if symbol not in blamed]
        # Where it names none of them, it may mean any.
        return await self._map_of(others) if others and len(others) < len(symbols) else {}


def _refusal(symbol: str, cmc_id: int, before: int) -> str:
    return (
        f"{symbol} is stored under id {before}, and SYMBOLS names id {cmc_id}: nothing is stored for it until that is "
        f"settled: SYMBOLS={symbol}:{before} keeps the coin; `./run.sh coins --accept {symbol}:{cmc_id}` confirms the "
        f"change; without an id in SYMBOLS, `./run.sh coins --reset {symbol}` has the next run look it up"
    )


def _pins(entries: Sequence[tuple[str, int | None]]) -> dict[str, int]:
    pins: dict[str, int] = {}
    for symbol, cmc_id in entries:
        if cmc_id is not None and pins.setdefault(symbol, cmc_id) != cmc_id:
            raise ConfigurationError(
                f"SYMBOLS: {symbol} is given two ids, {pins[symbol]} and {cmc_id}",
                next_step="keep one of them: a table row is known by its symbol",
            )
    return pins


def _tell(found: Mapping[str, Candidates]) -> None:
    for symbol, of_symbol in found.items():
        chosen, *others = map(str, of_symbol.coins)
        why, doubt = of_symbol.choice()
        tell, more = (log.warning, {"doubt": doubt}) if doubt else (log.info, {})
        tell("coin chosen", symbol=symbol, coin=chosen, why=why, others=others, **more)

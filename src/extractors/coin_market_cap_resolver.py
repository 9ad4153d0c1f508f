"""From the symbols of the settings to coins, once and for good."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog

from adapters._bases.errors import ConfigurationError, ContractError, InvalidRowError, SourceRejected, StateError
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_parser import fields_of
from extractors.coin_market_cap_quote import Coin

_ACTIVE = 1


class Candidate(NamedTuple):
    """An active coin that bears a symbol.

    Attributes:
        symbol: upper case.
        cmc_id: CoinMarketCap's id.
        name: the coin's name.
        rank: 1 is the largest market cap; None for an unranked coin.
    """

    symbol: str
    cmc_id: int
    name: str
    rank: int | None

    def __str__(self) -> str:
        """Such as ``Solana (id 5426, rank 6)``."""
        return f"{self.name} (id {self.cmc_id}, {'unranked' if self.rank is None else f'rank {self.rank}'})"


def candidates_by_symbol(data: object, symbols: Iterable[str]) -> dict[str, list[Candidate]]:
    """The active coins for each symbol, the one meant first: lowest rank, then lowest id.

    Args:
        data: of ``/v1/cryptocurrency/map``; rows that cannot be read are passed over, they are nobody's choice.
        symbols: those asked for, upper case; each is a key of the result, with an empty list if nothing bears it.

    Raises:
        ContractError: ``data`` is no list.
    """
    if not isinstance(data, list):
        raise ContractError(
            "CoinMarketCap's map is not a list of coins",
            next_step="write the coins' ids into SYMBOLS (such as BTC:1)",
            json_path="data",
        )
    found: dict[str, list[Candidate]] = {symbol: [] for symbol in symbols}
    for candidate in (_candidate(row) for row in data):
        if candidate is not None and candidate.symbol in found:
            found[candidate.symbol].append(candidate)
    for bearers in found.values():
        bearers.sort(key=lambda coin: (coin.rank is None, coin.rank or 0, coin.cmc_id))
    return found


def _candidate(row: object) -> Candidate | None:
    try:
        fields = fields_of("data[]", row)
        if fields.values.get("is_active") != _ACTIVE:
            return None
        return Candidate(fields.text("symbol").upper(), fields.identity("id"), fields.text("name"), fields.rank("rank"))
    except InvalidRowError:
        return None


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
        unknown: symbols that no active coin bears, in that order.
    """

    coins: list[Coin]
    unknown: tuple[str, ...] = ()

    def complaint(self) -> ConfigurationError | None:
        """The wrong setting that the unknown symbols are; None when there are none."""
        if not self.unknown:
            return None
        return ConfigurationError(
            f"SYMBOLS: CoinMarketCap has no active coin with the symbol {', '.join(self.unknown)}",
            next_step="correct SYMBOLS in .env, or give the coin's id with it (such as BTC:1)",
        )


class CoinMarketCapResolver:
    """Finds the coin behind each symbol and keeps the choice.

    Args:
        source: asked for symbols that have no id yet; its map is free of charge.
        choices: where the choices are kept.
    """

    def __init__(self, *, source: CoinMarketCapHttpAdapter, choices: CoinChoices) -> None:
        self._source = source
        self._choices = choices

    async def resolve(self, entries: Sequence[tuple[str, int | None]]) -> Resolution:
        """The coins meant. Harmless to repeat.

        An id given with a symbol is used as it is and kept, so that its symbol means the same coin without it. A symbol
        without one is looked up among the choices kept; only if it is not there is CoinMarketCap asked, and of the
        active coins the one with the lowest rank, then the lowest id, is chosen, kept and logged with the others.
        Whenever another coin than the last time is meant, that is logged as a warning.

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
        found = await self._asked(new) if new else {}
        for symbol, cmc_id in pins.items():
            if kept.get(symbol, cmc_id) != cmc_id:
                log.warning("coin changed by the settings", symbol=symbol, cmc_id=cmc_id, before=kept[symbol])
        chosen = {**kept, **found, **pins}
        if chosen != kept:
            self._keep(chosen, made=bool(found))
        coins = [Coin(symbol, chosen[symbol]) for symbol in symbols if symbol in chosen]
        return Resolution(coins, tuple(symbol for symbol in symbols if symbol not in chosen))

    def _keep(self, chosen: Mapping[str, int], *, made: bool) -> None:
        """Save the choices. Those of the settings stand there the next time too: a full disk costs no hour for them."""
        try:
            self._choices.save(chosen)
        except StateError as error:
            if made:
                raise
            log.warning("the ids of SYMBOLS are not kept", reason=error.message)

    async def _asked(self, symbols: Sequence[str]) -> dict[str, int]:
        """The coins that CoinMarketCap has for these symbols; without those that no active coin bears."""
        size = max(1, _LONGEST_LIST // (max(map(len, symbols)) + 1))
        found: dict[str, list[Candidate]] = {}
        for start in range(0, len(symbols), size):
            found |= await self._map_of(symbols[start : start + size])
        borne = {symbol: bearers for symbol, bearers in found.items() if bearers}
        _tell(borne)
        return {symbol: bearers[0].cmc_id for symbol, bearers in borne.items()}

    async def _map_of(self, symbols: Sequence[str]) -> dict[str, list[Candidate]]:
        """The active coins of each symbol; of one that makes the map refuse the whole list, none."""
        try:
            return candidates_by_symbol(await self._source.coin_map(symbols), symbols)
        except SourceRejected as exc:
            if exc.code != _INVALID_VALUE:
                raise
            named = _NAMED_UNKNOWN.search(exc.message)
            blamed = {name.strip().upper() for name in named.group(1).split(",")} if named else set()
        others = [symbol for symbol in symbols if symbol not in blamed]
        # Where it names none of them, nobody knows which of them it means.
        return await self._map_of(others) if others and len(others) < len(symbols) else {}


def _pins(entries: Sequence[tuple[str, int | None]]) -> dict[str, int]:
    pins: dict[str, int] = {}
    for symbol, cmc_id in entries:
        if cmc_id is not None and pins.setdefault(symbol, cmc_id) != cmc_id:
            raise ConfigurationError(
                f"SYMBOLS: {symbol} is given two ids, {pins[symbol]} and {cmc_id}",
                next_step="keep one of them: a table row is known by its symbol",
            )
    return pins


def _tell(found: Mapping[str, Sequence[Candidate]]) -> None:
    for symbol, (chosen, *others) in found.items():
        log.info("coin chosen", symbol=symbol, coin=str(chosen), others=[str(other) for other in others])

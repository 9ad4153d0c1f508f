"""Which coin is meant by a symbol that several bear. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from adapters._bases.errors import ContractError, InvalidRowError
from extractors.coin_market_cap_fields import fields_of

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

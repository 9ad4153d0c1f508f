"""Normalized quotes to storable rows, and the rejects with their reasons. Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from adapters._bases.errors import InvalidRowError
from adapters._bases.tehran_time import hour_key, in_tehran, tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import PriceRow
from extractors.coin_market_cap_parser import Quote

# Clocks of two hosts differ by seconds; a quote further ahead than this says that one of them is wrong.
FUTURE_TOLERANCE = timedelta(minutes=5)


class Reject(NamedTuple):
    """A quote that is not stored, with the hour key it would have had, and why in one line."""

    symbol: str
    cmc_id: int
    hour: str
    reason: str


class Transformed(NamedTuple):
    """Rows to store, and rejects. Of a symbol's valid quotes of one past hour only the earliest is a row."""

    rows: list[PriceRow]
    rejects: list[Reject]


class CoinMarketCapTransformer:
    """Decides what may be stored, and never invents or corrects a price or moves it to another hour.

    Args:
        now: aware; the time of the run.
        stale_after: a ``latest`` quote that the source updated longer ago than this is a dead coin's frozen price.
    """

    def __init__(self, *, now: datetime, run_id: str, stale_after: timedelta) -> None:
        # In UTC, like most quotes: two times of one zone are compared without asking it.
        utc = in_tehran(now).astimezone(timezone.utc)
        self._newest, self._oldest = utc + FUTURE_TOLERANCE, utc - stale_after
        self._run_id = run_id

    def latest(self, quotes: Iterable[Quote]) -> Transformed:
        """Rows of the present hour: the first quote for a symbol, any other is a reject."""
        rows: dict[str, PriceRow] = {}
        rejects: list[Reject] = []
        for quote in quotes:
            reject = self._rejection(quote, self._check, self._check_not_stale, _check_not_in(rows))
            if reject is None:
                rows[quote.symbol] = self._row(quote)
            else:
                rejects.append(reject)
        return Transformed(list(rows.values()), rejects)

    def historical(self, quotes: Iterable[Quote], hours: frozenset[str]) -> Transformed:
        """Rows of past hours: for each symbol and hour the earliest valid quote inside it.

        Where a wall hour came twice (until 2022, see `adapters._bases.tehran_time`) only the earlier one counts. Of two
        quotes of one time the first stays, and the other is a reject if its price is another.

        Args:
            quotes: in any order; those outside ``hours``, the wanted hour keys, are silently left out.
        """
        earliest: dict[tuple[str, str], Quote] = {}
        rejects: list[Reject] = []
        for quote in quotes:
            hour, comes_again = _hour_of(quote.observed_at)
            if hour not in hours or comes_again:
                continue
            key = (quote.symbol, hour)
            reject = self._rejection(quote, self._check, _check_not_against(earliest.get(key)))
            if reject is not None:
                rejects.append(reject)
            elif key not in earliest or quote.observed_at < earliest[key].observed_at:
                earliest[key] = quote
        return Transformed([self._row(quote) for quote in earliest.values()], rejects)

    @staticmethod
    def _rejection(quote: Quote, *checks: Callable[[Quote], None]) -> Reject | None:
        """The quote as a reject by the first check that refuses it, None when it passes all."""
        try:
            for check in checks:
                check(quote)
        except InvalidRowError as error:
            return Reject(quote.symbol, quote.cmc_id, hour_key(quote.observed_at), error.message)
        return None

    def _check(self, quote: Quote) -> None:
        """Refuse what no job may store."""
        if quote.source_symbol.upper() != quote.symbol:  # a few tickers, such as USDe, are of mixed case
            raise InvalidRowError(
                f"CoinMarketCap calls id {quote.cmc_id} {quote.source_symbol!r}, not {quote.symbol!r}: "
                f"see whether the coin was renamed; SYMBOLS={quote.symbol}:ID settles which coin is meant"
            )
        if quote.price is None:
            raise InvalidRowError("no price (null)")
        if not math.isfinite(quote.price) or quote.price <= 0:
            raise InvalidRowError(f"not a price: {quote.price!r}")
        newest = max(quote.observed_at, quote.source_updated_at or quote.observed_at)
        if newest > self._newest:
            raise InvalidRowError(
                f"from the future ({tehran_text(newest)} in Tehran): see whether this host's clock is right"
            )

    def _check_not_stale(self, quote: Quote) -> None:
        updated = quote.source_updated_at
        if updated is not None and updated < self._oldest:
            raise InvalidRowError(f"stale: last updated {tehran_text(updated)} in Tehran, so the price is frozen")

    def _row(self, quote: Quote) -> PriceRow:
        updated = quote.source_updated_at
        return PriceRow(
            symbol=quote.symbol,
            cmc_id=quote.cmc_id,
            name=quote.name,
            price=float(quote.price or 0.0),
            volume_24h=_finite(quote.volume_24h),
            market_cap=_finite(quote.market_cap),
            percent_change_1h=_finite(quote.percent_change_1h),
            percent_change_24h=_finite(quote.percent_change_24h),
            percent_change_7d=_finite(quote.percent_change_7d),
            cmc_rank=quote.cmc_rank,
            currency=quote.currency,
            endpoint=quote.endpoint,
            run_id=self._run_id,
            source_updated_at=None if updated is None else _text_of(updated),
            fetched_at=_text_of(quote.observed_at),
        )


# The points of many coins share their times, and Tehran's zone is slow to ask. Equal times are the same instant only in
# UTC: in Tehran's zone two times an hour apart may be equal.
@lru_cache(maxsize=16_384)
def _tehran_of(utc: datetime) -> tuple[str, str, bool]:
    return tehran_text(utc), hour_key(utc), bool(in_tehran(utc).fold)


def _hour_of(instant: datetime) -> tuple[str, bool]:
    """The hour key of an instant, and whether its wall hour comes for the second time."""
    _, key, comes_again = _tehran_of(instant.astimezone(timezone.utc))
    return key, comes_again


def _text_of(instant: datetime) -> str:
    return _tehran_of(instant.astimezone(timezone.utc))[0]


def _finite(value: float | None) -> float | None:
    """The value, or None where it is not a number: unlike the price, such a column may be empty."""
    return float(value) if value is not None and math.isfinite(value) else None


def _check_not_in(rows: Mapping[str, PriceRow]) -> Callable[[Quote], None]:
    def check(quote: Quote) -> None:
        if quote.symbol in rows:
            raise InvalidRowError("the source gave this coin twice")

    return check


def _check_not_against(other: Quote | None) -> Callable[[Quote], None]:
    def check(quote: Quote) -> None:
        if other is not None and quote.observed_at == other.observed_at and quote.price != other.price:
            raise InvalidRowError("the source gave two prices for the very same time, and the first is taken")

    return check

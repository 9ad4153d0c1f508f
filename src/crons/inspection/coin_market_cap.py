"""What is stored of each symbol lately, and what is missing. Writes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_holes_adapter import CoinMarketCapHolesAdapter
from adapters.clickhouse.coin_market_cap_hours_adapter import CoinMarketCapHoursAdapter, StoredHours
from configurations.config import Settings
from crons.series import Series
from transformers.coverage import SPANS, cover
from transformers.tehran_time import hour_key, hour_start, hours_before

PATIENCE = RetryPolicy(attempts=2, total_seconds=5)
"""Somebody is waiting at the screen."""
_TREND_HOURS = 24
_NOTHING = StoredHours(frozenset(), "", None, {})


def read_series(settings: Settings, database: ClickHouseAdapter, now: datetime) -> list[Series]:
    """What is stored of each symbol of the settings, in their order; of the last 30 days and no further back.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    hours = hours_before(now, max(SPANS.values()))
    recent = [*hours[-_TREND_HOURS:], hour_start(now)]
    first, last = hour_key(hours[0]), hour_key(hours[-1])
    symbols = [symbol for symbol, _ in settings.symbols]
    table = CoinMarketCapHoursAdapter(clickhouse=database, database=settings.clickhouse_db, retry=PATIENCE)
    # Not beyond the present hour: a row of an hour to come, which `verify` names, says nothing of how late it is.
    stored = table.stored(symbols, first=first, last=hour_key(now), priced_from=hour_key(recent[0]))
    older = table.stored_before(
        [name for name in symbols if first not in stored.get(name, _NOTHING).hours], first=first
    )
    holes = holes_by_symbol(settings, database, symbols, first, last)
    made = []
    for symbol in symbols:
        there = stored.get(symbol, _NOTHING)
        before = first in there.hours or symbol in older
        coverage = cover(hours, there.hours, holes.get(symbol, frozenset()), stored_before=before)
        trend = [_known(there.prices.get(hour_key(hour))) for hour in recent]
        last_hour, last_price = (there.last_hour, _known(there.last_price)) if there.hours else (None, None)
        made.append(Series(symbol, last_hour, last_price, coverage, trend))
    return made


def _known(price: float | None) -> float | None:
    """The price; None where there is none, or one that is no number: `verify` names it."""
    return price if price is not None and math.isfinite(price) else None


def holes_by_symbol(
    settings: Settings, database: ClickHouseAdapter, symbols: Sequence[str], first: str, last: str
) -> dict[str, set[str]]:
    """Symbol to the hour keys that the source had no quote for, from the hour ``first`` to ``last``, both inside.

    Args:
        settings: what the operator set.
        database: where they are noted.
        symbols: those asked about; empty for all.
        first: hour key.
        last: hour key.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    adapter = CoinMarketCapHolesAdapter(clickhouse=database, database=settings.clickhouse_db, retry=PATIENCE)
    holes: dict[str, set[str]] = {}
    for hole in adapter.known(symbols, first=first, last=last):
        holes.setdefault(hole.symbol, set()).add(hole.datetime)
    return holes

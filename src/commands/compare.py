"""``compare``: CoinMarketCap's stored prices held against Binance's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from adapters._bases.errors import ConfigurationError, StorageRejected
from adapters._bases.hourly_holes import HoledRepository
from adapters._bases.tehran_time import hours_before
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.binance_table import BINANCE_PRICES
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter, StoredQuote
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES
from commands.compare_view import as_json_text, show_overview
from commands.screen import SHORT_WAIT_SECONDS, after_needs, mention, say, settings_with_log
from configurations.config import Settings
from crons import MAIN_JOB
from crons.exits import DONE, FAILED
from crons.job import Finding
from crons.registry import find_job
from crons.resources import PATIENCE, Resources, require_database, system_clock
from reports.comparison_text import differences_in_words
from transformers.comparison import DOLLAR_COINS, Comparison, Overview, Rates, compare_symbol, with_swaps
from transformers.coverage import hours_by_key

QUOTING, TRADING = MAIN_JOB, "binance_hourly_prices"
"""The jobs whose prices are compared."""
DEFAULT_HOURS = 168
DEFAULT_TOLERANCE = 1.0
"""In percent."""
FAULT_PERCENT = 5.0
"""A deviation that no market explains, as far as `verify` is concerned."""
_CELLS_AT_ONCE = 200_000
"""Hours of symbols that are read at once, so that memory stays bounded however many there are."""


def compare(hours: int, *, tolerance: float, as_json: bool) -> int:
    """Compare the hours before the present one, show how, and give the exit code: 1 if prices differ.

    Args:
        hours: one or more.
        tolerance: in percent; a larger deviation is told.
        as_json: one JSON object instead of text.

    Raises:
        ConfigurationError: the tolerance is not a number.
        LockHeldError: a running job has the embedded engine open.
        EtlError: there is no database yet, it does not answer, or it refuses.
    """
    if not math.isfinite(tolerance):
        raise ConfigurationError(f"--tolerance {tolerance} is not a number of percent", next_step="give one, such as 1")
    settings = settings_with_log()
    require_database(settings)
    now = system_clock()
    mention(f"comparing {hours:,} hours")
    with Resources(
        settings, task="compare", clock=system_clock, wait_seconds=SHORT_WAIT_SECONDS, retry=PATIENCE
    ) as parts:
        found = compare_stored(parts, now, hours=hours, tolerance=tolerance)
    if as_json:
        say(as_json_text(found, now))
    else:
        again = {source: _backfill(job, settings) for source, job in (("Binance", TRADING), ("CoinMarketCap", QUOTING))}
        show_overview(found, now, again=again, no_color=bool(settings.no_color))
    return FAILED if found.wrong else DONE


def compare_stored(parts: Resources, now: datetime, *, hours: int, tolerance: float) -> Overview:
    """What both tables hold of the hours before the present one, compared. The present hour is not: it goes on.

    Args:
        parts: with the connection.
        now: aware.
        hours: one or more.
        tolerance: in percent.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses, or a view is missing.
    """
    keys = list(hours_by_key(hours_before(now, hours)))
    quotes = parts.repository(CoinMarketCapClickHouseAdapter, CRYPTO_PRICES)
    candles = parts.repository(BinanceClickHouseAdapter, BINANCE_PRICES)
    quoted, traded = _symbols(quotes, keys), _symbols(candles, keys)
    common = sorted(quoted & traded)
    rates = _rates(quotes.quotes(sorted(quoted & DOLLAR_COINS), first=keys[0], last=keys[-1]) if common else [])
    found: list[Comparison] = []
    at_once = max(1, _CELLS_AT_ONCE // len(keys))
    for start in range(0, len(common), at_once):
        some = common[start : start + at_once]
        quotes_of = _by_symbol(quotes.quotes(some, first=keys[0], last=keys[-1]))
        candles_of = _by_symbol(candles.candles(some, first=keys[0], last=keys[-1]))
        found += [
            compare_symbol(symbol, quotes_of[symbol], candles_of[symbol], hours=keys, rates=rates, tolerance=tolerance)
            for symbol in some
        ]
    return Overview(
        hours=keys,
        tolerance=tolerance,
        symbols=with_swaps(found),
        only_quoted=sorted(quoted - traded),
        only_traded=sorted(traded - quoted),
    )


def compared_sources(parts: Resources, now: datetime) -> list[Finding]:
    """How the two sources agree on the last week, for `verify`; nothing where there is nothing to compare.

    Wrong are prices that surely look wrong, and hours further apart than any market explains; what is merely over the
    tolerance a person should know.

    Raises:
        StorageUnavailable: the database does not answer.
    """
    subject, step = f"two sources, {DEFAULT_HOURS} h", "./run.sh compare"
    try:
        found = compare_stored(parts, now, hours=DEFAULT_HOURS, tolerance=DEFAULT_TOLERANCE)
    except StorageRejected as error:
        return [Finding(subject, "fail", f"cannot be compared: {error.message}", error.next_step)]
    if not found.symbols:
        return []
    if not found.wrong:
        return [Finding(subject, "ok", differences_in_words(found))]
    worst = max((one.largest.size for one in found.wrong if one.largest is not None), default=0.0)
    looks = [f"{one.symbol} looks {it.looks}: {it.detail}" for one in found.wrong for it in one.suspicions]
    is_fault = bool(looks) or worst > FAULT_PERCENT
    return [Finding(subject, "fail" if is_fault else "warn", "\n".join([differences_in_words(found), *looks]), step)]


def _symbols(table: HoledRepository[Any], keys: Sequence[str]) -> set[str]:
    """The symbols with anything stored in these hours, which the table's view shows."""
    found = table.symbols(first=keys[0], last=keys[-1])
    if found and not table.is_ready():
        raise StorageRejected(f"there is no {table.view_name}", next_step="run `./run.sh setup_db`")
    return found


class _OfHour(Protocol):
    @property
    def symbol(self) -> str: ...
    @property
    def datetime(self) -> str: ...


_OfHourT = TypeVar("_OfHourT", bound=_OfHour)


def _by_symbol(rows: Sequence[_OfHourT]) -> dict[str, dict[str, _OfHourT]]:
    found: dict[str, dict[str, _OfHourT]] = {}
    for row in rows:
        found.setdefault(row.symbol, {})[row.datetime] = row
    return found


def _rates(quotes: Sequence[StoredQuote]) -> Rates:
    """What coins that stand for a dollar are themselves worth in USD."""
    dollars = [one for one in quotes if one.currency == "USD"]
    return {coin: {hour: one.price for hour, one in hours.items()} for coin, hours in _by_symbol(dollars).items()}


def _backfill(name: str, settings: Settings) -> str:
    return after_needs(find_job(name), settings, f"./run.sh cron_backfill {name}")

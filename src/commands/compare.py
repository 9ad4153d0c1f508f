"""``compare``: compare CoinMarketCap's stored prices with Binance's."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import groupby

import msgspec

from adapters._bases.errors import ConfigurationError, StorageRejected
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.tehran_time import describe_hours, from_text, hour_ranges, hours_before
from adapters._bases.wording import counted
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from commands.screen import (
    after_needs,
    mention,
    say,
    say_json,
    settings_with_log,
    show_table,
)
from configurations.config import Settings
from crons.exits import DONE, FAILED
from crons.job import Finding
from crons.registry import MAIN_JOB, find_job
from crons.resources import Resources, system_clock
from transformers.comparison import DOLLAR_COINS, Comparison, Overview, compare_symbol, mixed_up
from transformers.coverage import hours_by_key, reach

QUOTING, TRADING = MAIN_JOB, "binance_hourly_prices"
"""The jobs whose prices are compared."""
DEFAULT_HOURS = 168
DEFAULT_TOLERANCE = 1.0  # percent
_FAULT_PERCENT = 5.0  # no market explains a larger deviation
_CELLS_AT_ONCE = 200_000  # hours of symbols read at once, so that memory stays bounded
_SAMPLED_HOURS = 24
_SHOWN_RANGES = 10  # of a symbol's hours over the tolerance


def compare(hours: int, *, tolerance: float, as_json: bool) -> int:
    if not math.isfinite(tolerance):
        raise ConfigurationError(f"--tolerance {tolerance} is not a number of percent", next_step="give one, such as 1")
    settings = settings_with_log(needs_database=True)
    now = system_clock()
    mention(f"comparing {counted(hours, 'hour')}")
    with Resources(settings, task="compare", briefly=True) as resources:
        found = compare_stored(resources, now, hours=hours, tolerance=tolerance)
    if as_json:
        say_json(
            now,
            first_hour=found.hours[0],
            last_hour=found.hours[-1],
            tolerance_percent=found.tolerance,
            differs=bool(found.wrong),
            symbols=msgspec.to_builtins(found.symbols),
            only_coinmarketcap=found.only_coinmarketcap,
            only_binance=found.only_binance,
        )
    elif found.symbols:
        _show(found, now, settings)
    else:
        _say_nothing(found, settings)
    return FAILED if found.wrong else DONE


def compare_stored(resources: Resources, now: datetime, *, hours: int, tolerance: float) -> Overview:
    """Compare what both tables hold of that many hours before the present one; tolerance in percent."""
    keys = list(hours_by_key(hours_before(now, hours)))
    span = {"first": keys[0], "last": keys[-1]}
    quotes = resources.repository(CoinMarketCapClickHouseAdapter)
    candles = resources.repository(BinanceClickHouseAdapter)
    quoted, traded = _symbols(quotes, span), _symbols(candles, span)
    common = sorted(quoted & traded)
    dollars = quotes.prices(sorted(quoted & DOLLAR_COINS), **span) if common else {}
    rates = {coin: {hour: one for hour, one in of.items() if one.currency == "USD"} for coin, of in dollars.items()}
    found: list[Comparison] = []
    at_once = max(1, _CELLS_AT_ONCE // len(keys))
    for start in range(0, len(common), at_once):
        some = common[start : start + at_once]
        quotes_of, candles_of = quotes.prices(some, **span), candles.prices(some, **span)
        found += [
            compare_symbol(quotes_of[symbol], candles_of[symbol], hours=keys, rates=rates, tolerance=tolerance)
            for symbol in some
        ]
    if over := [hour.hour for one in found if one.differs_throughout for hour in one.over]:
        # Of every symbol, since that of another chunk may be the one that is meant.
        last = keys.index(max(over))
        sample = {"first": keys[max(0, last + 1 - _SAMPLED_HOURS)], "last": keys[last]}
        every_quote = quotes.prices(sorted(quoted), **sample)
        every_candle = candles.prices(sorted(traded), **sample)
        found = [mixed_up(one, every_quote, every_candle, rates=rates, tolerance=tolerance) for one in found]
    return Overview(
        hours=keys,
        tolerance=tolerance,
        symbols=found,
        only_coinmarketcap=sorted(quoted - traded),
        only_binance=sorted(traded - quoted),
    )


def compared_sources(resources: Resources, now: datetime) -> list[Finding]:
    """Whether the two sources agree on the last week, for `verify`; empty if there is nothing to compare."""
    subject, step = f"two sources, {DEFAULT_HOURS} h", "./run.sh compare"
    try:
        found = compare_stored(resources, now, hours=DEFAULT_HOURS, tolerance=DEFAULT_TOLERANCE)
    except StorageRejected as error:
        return [Finding(subject, "fail", f"cannot be compared: {error.message}", error.next_step)]
    if not found.wrong:
        return [Finding(subject, "ok", found.verdict)] if found.symbols else []
    suspicions = [f"{one.symbol} looks {it.looks}: {it.detail}" for one in found.wrong for it in one.looks]
    is_fault = suspicions or any(hour.size > _FAULT_PERCENT for one in found.wrong for hour in one.over)
    lines = "\n".join([found.verdict, *suspicions])
    return [Finding(subject, "fail" if is_fault else "warn", lines, step)]


def _symbols(table: HourlyRepository, span: dict[str, str]) -> set[str]:
    found = table.symbols(**span)
    if found and not table.is_ready():
        raise StorageRejected(f"there is no {table.name}_hourly", next_step="run `./run.sh setup_db`")
    return found


def _say_nothing(found: Overview, settings: Settings) -> None:
    """Say why nothing is compared, and what to do about it."""
    jobs = {"CoinMarketCap": (QUOTING, found.only_coinmarketcap), "Binance": (TRADING, found.only_binance)}
    missing = [source for source, (_, symbols) in jobs.items() if not symbols]
    what = f"no price is stored from {' or '.join(missing)}" if missing else "no symbol is stored from both sources"
    say(f"nothing to compare: {what} in these {counted(len(found.hours), 'hour')}")
    for source in missing or jobs:
        say(f"next: {_backfill(jobs[source][0], settings)} {len(found.hours)}")


def _backfill(name: str, settings: Settings) -> str:
    return after_needs(find_job(name), settings, f"./run.sh cron_backfill {name}")


def _show(found: Overview, now: datetime, settings: Settings) -> None:
    over = f"over\n{found.tolerance:g} %"
    rows = [
        (
            one.symbol,
            one.pair,
            f"{one.hours_in_both}/{one.hours_only_coinmarketcap}/{one.hours_only_binance}",
            "-" if one.median_percent is None else f"{one.median_percent:.2f} %",
            "-" if one.bias_percent is None else f"{one.bias_percent:+.2f} %",
            "-" if one.largest_percent is None else f"{one.largest_percent:+,.2f} %",
            one.largest_hour[:16] if one.largest_hour else "-",
            f"{len(one.over):,}",
        )
        for one in found.symbols
    ]
    show_table(
        ("symbol", "pair", "hours", "median\ndistance", "bias", "largest", "at (Tehran)", over),
        rows,
        styles=["red" if one.differs else "" for one in found.symbols],
    )
    say(f"hours: in both, CoinMarketCap only, Binance only; of {len(found.hours):,} before the present one")
    if hours_over := [row for one in found.wrong for row in _rows_over(one)]:
        say("")
        show_table(("symbol", "hours over", "deviation", "CoinMarketCap", "Binance", "looks"), hours_over)
    say("")
    suspicions = [(one.symbol, f"looks {it.looks}: {it.detail}") for one in found.wrong for it in one.looks]
    show_table((), [*suspicions, *(("note", line) for line in found.notes)])
    say(f"\n{found.verdict}")
    if found.wrong:
        hours = [from_text(hour.hour) for one in found.wrong for hour in one.over]
        back = reach(hours, now) if all(one.over for one in found.wrong) else len(found.hours)
        say("fetch the hours again from both sources, then compare again:")
        for job in (TRADING, QUOTING):
            say(f"  {_backfill(job, settings)} {back}")


def _rows_over(one: Comparison) -> list[list[str]]:
    """The hours over the tolerance, a row for each unbroken range of one suspicion with its worst hour's prices."""
    rows = []
    for looks, group in groupby(one.over, lambda deviation: deviation.looks or ""):
        by_start = {from_text(deviation.hour): deviation for deviation in group}
        for first, last in hour_ranges(by_start):
            run = {start: deviation for start, deviation in by_start.items() if first <= start <= last}
            worst = max(run.values(), key=lambda deviation: deviation.size)
            prices = (f"{worst.percent:+,.2f} %", f"{worst.coinmarketcap:.8g}", f"{worst.binance:.8g}")
            rows.append([one.symbol, describe_hours(run), *prices, looks])
    if (more := len(rows) - _SHOWN_RANGES) > 0:
        rows[_SHOWN_RANGES:] = [[one.symbol, f"… and {more:,} more: see --json"]]
    return rows

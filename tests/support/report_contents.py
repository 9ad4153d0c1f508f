"""Contents for the tests of the page."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import html5lib

from adapters._bases.hourly_table import Corrections, StoredPrice
from adapters._bases.tehran_time import hour_key, hours_before, tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import RunRecord
from reports import price_report
from reports.price_report import LIBRARY, ReportContents, build_page
from reports.price_summary import PriceTable
from transformers.comparison import Overview

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)
"""2026-11-23 12:35:07 in Tehran."""
_LIBRARY = Path(price_report.__file__).with_name("page").joinpath(LIBRARY).read_text()
_COINS = (("BTC", "Bitcoin", 87654.32), ("ETH", "Ethereum", 2834.57), ("SOL", "Solana", 131.2468))


def hour_keys(hours: int) -> list[str]:
    """That many complete hours before `NOW` and the one in progress."""
    return [hour_key(start) for start in [*hours_before(NOW, hours), NOW]]


def stored_price(symbol: str = "BTC", hour: str = "2026-11-23 11:00:00", **values: object) -> StoredPrice:
    price = StoredPrice(symbol, hour, "Bitcoin", 87654.32, 1.7e12, "USD", is_updated=False)
    return price._replace(**values)  # type: ignore[arg-type]  # the test knows the fields


def stored_run(minutes_ago: int = 35, **values: object) -> RunRecord:
    started = NOW - timedelta(minutes=minutes_ago)
    times = tehran_text(started), tehran_text(started + timedelta(seconds=4 + minutes_ago % 7))
    run = RunRecord("run-1", "cmc_hourly_prices", "run", *times, "ok", extracted=3, inserted=3, calls=1, credits=1)
    return replace(run, **values)  # type: ignore[arg-type]  # the test knows the fields


def price_wave(symbols: int, hours: Sequence[str]) -> list[StoredPrice]:
    """Smooth made-up prices of that many symbols, all hours stored; the first three symbols are well known ones."""
    named = [*_COINS, *((f"C{number:04d}", f"Coin {number}", 1000 / number**2) for number in range(4, symbols + 1))]
    return [
        stored_price(symbol, hour, name=name, price=base * math.exp(_wave(place, i)), market_cap=1e12 / (place + 1))
        for place, (symbol, name, base) in enumerate(named[:symbols])
        for i, hour in enumerate(hours)
    ]


def _wave(place: int, hour: int) -> float:
    return 0.03 * math.sin(hour / 19 + place) + 0.008 * math.sin(hour / 3.1 + 2 * place)


def table_of(prices: Sequence[StoredPrice] = (), *, source: str = "CoinMarketCap", **values: Any) -> PriceTable:
    """A table with these prices in which nothing is followed, unless its fields say otherwise."""
    job, table = ("cmc", "crypto") if source == "CoinMarketCap" else (source.lower(), source.lower())
    usual: dict[str, Any] = {
        "job": f"{job}_hourly_prices",
        "view": f"crypto.{table}_prices_hourly",
        "holes": {},
        "absences": {},
    }
    usual |= {"followed": (), "first_hours": {}, "rows_stored": len(prices), "corrections": Corrections(0, [])}
    stored: dict[str, dict[str, StoredPrice]] = {}
    for price in prices:
        stored.setdefault(price.symbol, {})[price.datetime] = price
    return PriceTable(source=source, prices=stored, **{**usual, **values})


def report_contents(
    prices: Sequence[StoredPrice] = (),
    *,
    hours: Sequence[str] | None = None,
    runs: Sequence[RunRecord] = (),
    followed: Collection[str] = ("BTC", "ETH", "SOL"),
    stored_before: Collection[str] = (),
    beside: Sequence[PriceTable] = (),
    comparison: Overview | None = None,
    **values: Any,
) -> ReportContents:
    """Contents of the page, of the 48 hours before `NOW`, and with no row before them, unless others are named.

    `values` are of the table of these prices, which comes before those `beside` it.
    """
    first_hours = {
        **dict(sorted(((price.symbol, price.datetime) for price in prices), reverse=True)),
        **dict.fromkeys(stored_before, "2026-01-01 00:00:00"),
    }
    tables = [table_of(prices, followed=followed, first_hours=first_hours, **values), *beside]
    return ReportContents(hours or hour_keys(48), tables, runs, NOW, "0.1.0", comparison)


def page_of(contents: ReportContents) -> Any:
    """The tree of the page; it has to be valid."""
    # The chart library holds control characters within its texts, which a strict parser takes for errors.
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(build_page(contents).replace(_LIBRARY, ""))


def three_symbols() -> ReportContents:
    """Of 48 hours three symbols with a gap, a hole, an update, and 20 runs, one of them failed."""
    hours = hour_keys(48)
    prices = [
        price
        for price in price_wave(3, hours)
        if (price.symbol, price.datetime) not in {("BTC", hours[5]), ("SOL", hours[9])}
    ]
    prices[0] = prices[0]._replace(is_updated=True)
    runs = [stored_run(95, status="failed", error="no answer"), *(stored_run(35 + 120 * i) for i in range(19))]
    return report_contents(prices, hours=hours, holes={"SOL": {hours[9]}}, runs=runs)

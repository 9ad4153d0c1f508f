"""The Grafana dashboard: every query of it runs on the tables as the program makes them, and gives what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import hour_key, hour_start, tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.etl_runs_clickhouse_adapter import FAILED, OK, EtlRunsAdapter, RunRecord
from adapters.clickhouse.toman_clickhouse_adapter import TomanClickHouseAdapter, TomanRow
from tests.support.binance import pair_row
from tests.support.price_rows import price_row

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "dashboards" / "hourly_prices.json").read_text(encoding="utf-8")
)
PLUGIN = "grafana-clickhouse-datasource"
VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
TARGETS = [(panel["title"], target) for panel in DASHBOARD["panels"] for target in panel["targets"]]
TARGETS += [(one["name"], one["target"]) for one in DASHBOARD["annotations"]["list"] if "target" in one]
QUERIES: dict[str, str] = {title: target["rawSql"] for title, target in TARGETS}
QUERIES |= {f"variable {name}": one["query"]["rawSql"] for name, one in VARIABLES.items() if one["type"] == "query"}
Ask: TypeAlias = "Callable[..., list[tuple[object, ...]]]"
"""Runs the query of a panel."""


def present() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture
def first() -> datetime:
    """Of six complete hours: the queries look at the server's clock to leave out the present one."""
    return hour_start(present() - timedelta(hours=6))


@pytest.fixture
def ask(embedded: ClickHouseAdapter, database: str, make_table: Callable[..., Any], first: datetime) -> Ask:
    """Run a query of the dashboard over six hours: BTC has all but the third, ETH begins at the fourth."""
    repository = make_table(embedded, present)
    hours = [first + timedelta(hours=number) for number in range(6)]
    rows = [price_row("BTC", 100.0 + i, fetched_at=hour_key(hour)) for i, hour in enumerate(hours) if i != 2]
    rows += [price_row("ETH", 10.0 + i, fetched_at=hour_key(hour), market_cap=1.0) for i, hour in enumerate(hours[3:])]
    repository.upsert_prices(rows)
    pairs = make_table(embedded, present, BinanceClickHouseAdapter)
    pairs.upsert_prices([pair_row("BTC", 50.0 + i, fetched_at=hour_key(hour)) for i, hour in enumerate(hours)])
    runs = EtlRunsAdapter(clickhouse=embedded, database=database, keep_days=7_300)
    started = [tehran_text(first + timedelta(minutes=minutes)) for minutes in (5, 65)]
    good = RunRecord("run-1", "cmc_hourly_prices", "run", started[0], started[0], OK, credits=1)
    bad = RunRecord("run-2", "cmc_hourly_prices", "run", started[1], started[1], FAILED, credits=2, error="no answer")
    runs.record([good, bad])

    def run(title: str, unit: str = "hourly") -> list[tuple[object, ...]]:
        # As the plugin's pkg/macros/macros.go: $__fromTime is toDateTime(SECONDS SINCE 1970).
        values = {
            "${database}": database,
            "${unit}": unit,
            "${symbol:singlequote}": "'BTC','ETH'",
            "$__fromTime": f"toDateTime({int((first - timedelta(minutes=30)).timestamp())})",
            "$__toTime": f"toDateTime({int((first + timedelta(hours=6, minutes=20)).timestamp())})",
        }
        sql = QUERIES[title]
        for name, value in values.items():
            sql = sql.replace(name, value)
        assert "$" not in sql, "a variable or macro that this test does not know"
        return embedded.query(sql)

    return run


def test_every_query_returns_stored_rows(ask: Ask) -> None:
    assert [title for title in QUERIES if not ask(title)] == []


def test_coverage_counts_from_the_first_stored_hour(ask: Ask) -> None:
    """Nine expected hours, one of them missing; the hours before ETH began and the present one do not count."""
    states = [(symbol, state) for _, symbol, state in ask("Coverage by hour")]

    assert [state for symbol, state in states if symbol == "BTC"] == [1, 1, 0, 1, 1, 1]
    assert [state for symbol, state in states if symbol == "ETH"] == [1, 1, 1]
    assert ask("Hours missing") == [(1,)]
    assert ask("Coverage") == [(88.8,)]


def test_spread_is_of_the_hours_of_both_sources(ask: Ask) -> None:
    assert [row[1:] for row in ask("Spread between the sources")][-1] == ("BTC", pytest.approx((105 / 55 - 1) * 100))
    assert len(ask("Price at Binance")) == 6


def test_prices_in_toman_are_offered_where_rates_are_stored(
    ask: Ask, embedded: ClickHouseAdapter, make_table: Callable[..., Any], first: datetime
) -> None:
    assert ask("variable unit") == [("USD hourly",)]
    rates = make_table(embedded, present, TomanClickHouseAdapter)
    row = TomanRow("USDT@nobitex", "USDTIRT", 2.0, None, None, None, None, "IRT", "r1", hour_key(first))
    rates.upsert_prices([row], first)
    assert ask("variable unit") == [("USD hourly",), ("Toman toman",)]
    for title, price in (("Price at CoinMarketCap", 200.0), ("Price at Binance", 100.0)):
        assert ask(title, unit="toman")[0][1:] == ("BTC", price)


def test_rewritten_hour_shows_as_updated(
    ask: Ask, embedded: ClickHouseAdapter, make_table: Callable[..., Any], first: datetime
) -> None:
    later = make_table(embedded, lambda: present() + timedelta(minutes=1))
    later.upsert_prices([price_row("BTC", 99.0, fetched_at=hour_key(first))])

    assert ask("Coverage by hour")[0][1:] == ("BTC", 2)


def test_dashboard_can_be_imported() -> None:
    """Every panel and query takes the data source from the variable; nothing is to be edited or asked for."""
    assert DASHBOARD["__inputs"] == []
    assert DASHBOARD["id"] is None
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["query"] == PLUGIN
    described = [*DASHBOARD["panels"], *(target for _, target in TARGETS), VARIABLES["symbol"], VARIABLES["unit"]]
    sources = [one["datasource"] for one in described]
    assert all(source == {"type": PLUGIN, "uid": "${datasource}"} for source in sources)

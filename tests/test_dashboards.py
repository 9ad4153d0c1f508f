"""The Grafana dashboard: every query of it runs on the tables as the program makes them, and gives what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters._bases.tehran_time import hour_key, hour_start, tehran_text
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.etl_runs_clickhouse_adapter import FAILED, OK, EtlRunsAdapter, RunRecord
from adapters.clickhouse.toman_clickhouse_adapter import TomanClickHouseAdapter, TomanRow
from tests.support.binance import pair_row
from tests.support.price_rows import price_row

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "dashboards" / "hourly_prices.json").read_text(encoding="utf-8")
)
PLUGIN = "grafana-clickhouse-datasource"
Ask: TypeAlias = "Callable[..., list[tuple[object, ...]]]"
"""Runs the query of a panel, of a range of time if one is given."""


def _targets() -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target
    for annotation in DASHBOARD["annotations"]["list"]:
        if "target" in annotation:
            yield annotation["name"], annotation["target"]


def _queries() -> dict[str, str]:
    queries = {title: target["rawSql"] for title, target in _targets()}
    variables = [one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    return {**queries, **{f"variable {one['name']}": one["query"]["rawSql"] for one in variables}}


def expand(sql: str, *, database: str, symbols: list[str], start: datetime, end: datetime, unit: str) -> str:
    """The query as ClickHouse gets it: Grafana puts its variables in, then the plugin its macros.

    The macros are those of the plugin's pkg/macros/macros.go: $__fromTime is toDateTime(SECONDS SINCE 1970).
    """
    values = {
        "${database}": database,
        "${unit}": unit,
        "${symbol:singlequote}": ",".join(f"'{symbol}'" for symbol in symbols),
        "$__fromTime": f"toDateTime({int(start.timestamp())})",
        "$__toTime": f"toDateTime({int(end.timestamp())})",
    }
    for name, value in values.items():
        sql = sql.replace(name, value)
    assert "$" not in sql, "a variable or macro that this test does not know"
    return sql


@pytest.fixture
def first() -> datetime:
    """Of six complete hours: the queries look at the server's clock to leave out the present one."""
    return hour_start(datetime.now(timezone.utc) - timedelta(hours=6))


@pytest.fixture
def ask(
    embedded: ClickHouseAdapter,
    database: str,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
    first: datetime,
) -> Ask:
    """Run a query of the dashboard over six hours: BTC has all but the third, ETH begins at the fourth."""
    repository = make_repository(embedded, lambda: datetime.now(timezone.utc))
    repository.ensure_ready()
    hours = [first + timedelta(hours=number) for number in range(6)]
    rows = [price_row("BTC", 100.0 + i, fetched_at=hour_key(hour)) for i, hour in enumerate(hours) if i != 2]
    rows += [price_row("ETH", 10.0 + i, fetched_at=hour_key(hour), market_cap=1.0) for i, hour in enumerate(hours[3:])]
    repository.upsert_prices(rows)
    pairs = BinanceClickHouseAdapter(
        clickhouse=embedded, database=database, retry=RetryPolicy(attempts=1), clock=lambda: datetime.now(timezone.utc)
    )
    pairs.ensure_ready()
    pairs.upsert_prices([pair_row("BTC", 50.0 + i, fetched_at=hour_key(hour)) for i, hour in enumerate(hours)])
    runs = EtlRunsAdapter(clickhouse=embedded, database=database, keep_days=7_300)
    started = [tehran_text(first + timedelta(minutes=minutes)) for minutes in (5, 65)]
    runs.record(
        [
            RunRecord("run-1", "cmc_hourly_prices", "run", started[0], started[0], OK, credits=1),
            RunRecord(
                "run-2", "cmc_hourly_prices", "run", started[1], started[1], FAILED, credits=2, error="no answer"
            ),
        ]
    )
    queries = _queries()

    def run(
        title: str,
        start: datetime = first - timedelta(minutes=30),
        end: datetime = first + timedelta(hours=6, minutes=20),
        unit: str = "hourly",
    ) -> list[tuple[object, ...]]:
        sql = expand(queries[title], database=database, symbols=["BTC", "ETH"], start=start, end=end, unit=unit)
        return embedded.query(sql)

    return run


@pytest.mark.parametrize("title", _queries())
def test_every_query_returns_stored_rows(ask: Ask, title: str) -> None:
    assert ask(title)


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
    ask: Ask, embedded: ClickHouseAdapter, database: str, first: datetime
) -> None:
    assert ask("variable unit") == [("USD hourly",)]
    rates = TomanClickHouseAdapter(
        clickhouse=embedded, database=database, retry=RetryPolicy(attempts=1), clock=lambda: datetime.now(timezone.utc)
    )
    rates.ensure_ready()
    row = TomanRow("USDT@nobitex", "USDTIRT", 2.0, None, None, None, None, "IRT", "r1", hour_key(first))
    rates.upsert_prices([row], first)
    assert ask("variable unit") == [("USD hourly",), ("Toman toman",)]
    for title, price in (("Price at CoinMarketCap", 200.0), ("Price at Binance", 100.0)):
        assert ask(title, unit="toman")[0][1:] == ("BTC", price)


def test_rewritten_hour_shows_as_updated(
    ask: Ask,
    embedded: ClickHouseAdapter,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
    first: datetime,
) -> None:
    later = make_repository(embedded, lambda: datetime.now(timezone.utc) + timedelta(minutes=1))
    later.upsert_prices([price_row("BTC", 99.0, fetched_at=hour_key(first))])

    assert ask("Coverage by hour")[0][1:] == ("BTC", 2)


def test_dashboard_can_be_imported() -> None:
    """Every panel and query takes the data source from the variable; nothing is to be edited or asked for."""
    assert DASHBOARD["__inputs"] == []
    assert DASHBOARD["id"] is None
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == PLUGIN
    sources = [panel["datasource"] for panel in DASHBOARD["panels"]]
    sources += [target["datasource"] for _, target in _targets()]
    sources += [variables[name]["datasource"] for name in ("symbol", "unit")]
    assert all(source == {"type": PLUGIN, "uid": "${datasource}"} for source in sources)

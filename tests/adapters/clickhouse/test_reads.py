"""Reads of a span of hours: only that span, each key once, and nothing without a table."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_table import Hole
from adapters._bases.sql_files import SQL_FOLDER, query_text
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Repository, Sql

TEN, ELEVEN, TWELVE = (f"2026-11-23 {hour}:00:00" for hour in (10, 11, 12))
HOLE = Hole("BTC", TEN, 1, "2026-11-23 13:00:00", "r1")
ETH_HOLE = Hole("ETH", ELEVEN, 1027, "2026-11-23 13:00:00", "r1")


def test_prices_of_a_span_come_by_symbol_and_hour(repository: Repository) -> None:
    """Both ends are included; an unknown market cap stays unknown."""
    hours = [f"2026-11-23 {hour:02d}:20:00" for hour in (9, 10, 12, 13)]
    repository.upsert_prices(price_row(symbol, fetched_at=hour) for symbol in ("ETH", "BTC") for hour in hours)
    repository.upsert_prices([price_row("BTC", 5.0, fetched_at=hours[1], market_cap=None)])

    found = repository.prices(first=TEN, last=TWELVE)

    assert [(symbol, list(prices)) for symbol, prices in found.items()] == [
        ("BTC", [TEN, TWELVE]),
        ("ETH", [TEN, TWELVE]),
    ]
    assert found["BTC"][TEN][:6] == ("BTC", TEN, "Bitcoin", 5.0, None, "USD")
    assert repository.symbols(first=TEN, last=TWELVE) == {"BTC", "ETH"}
    assert repository.symbols(first=ELEVEN, last=ELEVEN) == set()
    assert repository.count_hours() == 8
    assert repository.first_hours(["BTC", "SOL"]) == {"BTC": "2026-11-23 09:00:00"}


def test_row_written_again_later_is_updated(embedded: ClickHouseAdapter, make_table: MakeRepository) -> None:
    """A backfilled row, long after its hour, is not an update; one written again a minute after its insert is."""
    now = datetime.now().astimezone()
    first, later = (make_table(embedded, lambda moment=moment: moment) for moment in (now, now + timedelta(minutes=1)))
    first.upsert_prices([price_row("BTC", fetched_at=TEN), price_row("ETH", fetched_at=TEN)])
    later.upsert_prices([price_row("BTC", fetched_at=TEN), price_row("ETH", 7.0, fetched_at=TEN)])

    found = first.prices(first=TEN, last=TEN)
    assert [found[symbol][TEN].is_updated for symbol in ("BTC", "ETH")] == [False, True]


def test_hole_is_certain_when_it_is_found_again_after_a_day(
    embedded: ClickHouseAdapter, make_repository: MakeRepository
) -> None:
    table, day = make_repository(embedded), "2026-11-24 13:00:00"
    again = HOLE._replace(noted_at=f"{HOLE.noted_at} and {day}", run_id="r2")
    table.note_holes([HOLE, ETH_HOLE])
    table.note_holes([])
    for at, noted in (("2026-11-24 12:59:59", HOLE), (day, again), ("2026-11-29 13:00:00", again)):
        table.note_holes([HOLE._replace(noted_at=at, run_id="r2")])
        assert table.holes(["BTC"], first=TEN, last=TWELVE) == [noted]
    assert table.holes(["ETH", "BTC", "SOL"], first=TEN, last=TWELVE) == [again, ETH_HOLE]
    assert table.holes(["BTC"], first=ELEVEN, last=TWELVE) == []
    assert table.is_ready()


def test_hole_belongs_to_what_the_symbol_means(repository: Repository, sql: Sql) -> None:
    """The given meaning, or else the one stored last; a symbol that was never stored has no holes."""
    assert sql("SELECT count() FROM crypto.crypto_price_holes") == [(0,)]  # for dashboards that join it
    later = HOLE._replace(datetime=TWELVE, meaning=2)
    repository.note_holes([HOLE, later, ETH_HOLE, HOLE._replace(symbol="SOL")])
    repository.note_holes([one._replace(noted_at="2026-11-25 13:00:00") for one in (HOLE, later, ETH_HOLE)])
    stored = {2: "2026-11-22 08:00:00", 1: "2026-11-22 09:00:00"}
    repository.upsert_prices([price_row("BTC", cmc_id=coin, fetched_at=at) for coin, at in stored.items()])
    holes = partial(repository.holes_by_symbol, first=TEN, last=TWELVE)
    symbols, given = ["BTC", "ETH", "SOL"], {"BTC": 2, "ETH": 1027, "SOL": 1}
    assert holes(symbols) == {"BTC": {TEN}}
    assert holes(symbols, meant=given) == {"BTC": {TWELVE}, "ETH": {ELEVEN}}
    assert holes(["SOL"], meant=given, noted_since=TEN) == {"SOL": {TEN}}
    assert holes(["SOL"], meant=given, noted_since=HOLE.noted_at) == {}


def test_every_query_is_one_that_no_cache_answers() -> None:
    """The connection tells its calls apart by a column after the SELECT with which a statement begins."""
    names = [path.stem for path in (SQL_FOLDER / "queries").glob("*.sql")]
    assert {name for name in names if query_text(name).split()[0] != "SELECT"} == set()
    assert "stored" in names

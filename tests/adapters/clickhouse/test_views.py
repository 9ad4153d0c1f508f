"""The views: times, days, the latest hours, and how an existing database gets them."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timedelta, timezone

import pytest
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.tehran_time import hour_key
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Repository, create_statement

NAMES = ("crypto_prices_hourly", "crypto_prices_daily", "crypto_prices_latest")
OLD_VIEW = (
    "CREATE VIEW {database}.crypto_prices_hourly AS SELECT symbol, datetime, price FROM {database}.crypto_prices "
    "ORDER BY symbol, datetime, version DESC LIMIT 1 BY symbol, datetime"
)
HOUR = timedelta(hours=1)


def plan(clickhouse: ClickHouseAdapter, database: str, condition: str) -> str:
    view = f"{database}.crypto_prices_hourly"
    found = clickhouse.query(f"EXPLAIN indexes = 1, actions = 1 SELECT sum(price) FROM {view} WHERE {condition}")
    return "\n".join(str(line) for (line,) in found)


# Until 2022: in spring 00:00 to 01:00 was skipped, in autumn 23:00 came twice.
@pytest.mark.parametrize(("year", "month"), [(2017, 3), (2020, 9), (2021, 3), (2022, 9)])
def test_time_is_the_start_of_the_hour(
    repository: Repository, embedded: ClickHouseAdapter, database: str, year: int, month: int
) -> None:
    """Also around clock changes in Tehran; a repeated key is the earlier hour."""
    start = datetime(year, month, 19, 20, 30, tzinfo=timezone.utc)
    instants = [start + HOUR * hours for hours in range(84)]
    first: dict[str, datetime] = {}
    for instant in instants:
        first.setdefault(hour_key(instant), instant)
    repository.upsert_prices([price_row(fetched_at=key) for key in first])

    found = embedded.query(
        f"SELECT datetime, toUnixTimestamp(time), toUnixTimestamp(time_utc), toString(time), toString(time_utc) "
        f"FROM {database}.crypto_prices_hourly ORDER BY datetime"
    )

    assert len(first) == len(instants) - (month == 9)
    assert found == [
        (key, stamp, stamp, key, instant.strftime("%Y-%m-%d %H:%M:%S"))
        for key, instant in first.items()
        for stamp in [int(instant.timestamp())]
    ]


def test_day_aggregates_its_stored_hours(repository: Repository, embedded: ClickHouseAdapter, database: str) -> None:
    """Open, high, low, close and the number of hours of a Tehran day."""
    prices = {"2026-11-01 00:00:00": 5.0, "2026-11-01 07:00:00": 9.0, "2026-11-01 23:59:59": 4.0}
    repository.upsert_prices([price_row(fetched_at=at, price=price) for at, price in prices.items()])
    repository.upsert_prices([price_row(fetched_at="2026-11-02 00:00:00", price=7.0), price_row(symbol="ETH")])

    found = embedded.query(f"SELECT * FROM {database}.crypto_prices_daily WHERE symbol = 'BTC' ORDER BY date")

    assert [(str(row[1]), *row[2:]) for row in found] == [
        ("2026-11-01", 5.0, 9.0, 4.0, 4.0, 3),
        ("2026-11-02", 7.0, 7.0, 7.0, 7.0, 1),
    ]


def test_latest_has_changes_between_stored_hours(
    repository: Repository, embedded: ClickHouseAdapter, database: str
) -> None:
    prices = {"2026-11-20 05:00:00": 110.0, "2026-11-20 04:00:00": 100.0, "2026-11-13 05:00:00": 55.0}
    repository.upsert_prices([price_row(fetched_at=at, price=price) for at, price in prices.items()])
    repository.upsert_prices([price_row(symbol="ETH", fetched_at="2020-01-01 00:30:00", price=2.0)])

    found = embedded.query(
        "SELECT symbol, datetime, price, round(percent_change_1h, 9), percent_change_24h, percent_change_7d "
        f"FROM {database}.crypto_prices_latest"
    )

    assert found == [
        ("BTC", "2026-11-20 05:00:00", 110.0, 10.0, None, 100.0),
        ("ETH", "2020-01-01 00:00:00", 2.0, None, None, None),
    ]


def test_older_database_gets_the_views_and_keeps_its_rows(
    embedded: ClickHouseAdapter, make_repository: MakeRepository, database: str
) -> None:
    """The old view is replaced, missing ones are created, and the table is not touched."""
    repository = make_repository(embedded)
    repository.ensure_ready()
    repository.upsert_prices([price_row()])
    for name in reversed(NAMES):
        embedded.command(f"DROP VIEW {database}.{name}")
    embedded.command(OLD_VIEW.format(database=database))
    of_table = f"name = 'crypto_prices' AND database = '{database}'"
    made = f"SELECT uuid, metadata_modification_time FROM system.tables WHERE {of_table}"
    before = embedded.query(made)
    assert not repository.is_ready()

    repository.ensure_ready()

    assert repository.is_ready()
    assert repository.differences() == []
    assert embedded.query(f"SELECT count(), max(time) > 0 FROM {database}.crypto_prices_hourly") == [(1, True)]
    assert embedded.query(made) == before


def test_outdated_view_is_replaced_by_one_statement(
    server: ClickHouseAdapter, front: ClickHouseFront, make_repository: MakeRepository, database: str
) -> None:
    """Without a moment in which it does not exist, and once only."""
    repository = make_repository(server)
    repository.ensure_ready()
    server.command(f"CREATE OR REPLACE VIEW {database}.crypto_prices_daily AS SELECT 1 AS one")
    front.statements.clear()

    repository.ensure_ready()
    repository.ensure_ready()

    [replaced] = [one for one in front.statements if not one.startswith("SELECT")]
    assert replaced.startswith(f"CREATE OR REPLACE VIEW `{database}`.crypto_prices_daily")


def test_older_view_with_the_same_columns_serves_a_user_who_cannot_replace_it(
    server: ClickHouseAdapter, front: ClickHouseFront, make_repository: MakeRepository, database: str
) -> None:
    repository = make_repository(server)
    repository.ensure_ready()
    for statement in (create_statement(database, "crypto_prices_daily"), OLD_VIEW.format(database=database)):
        server.command(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))
        front.faults.append(Fault("error", "CREATE OR REPLACE", code=497))
        with capture_logs() as logs, nullcontext() if "daily" in statement else pytest.raises(StorageRejected):
            repository.ensure_ready()
        assert [line["log_level"] for line in logs] == (["warning"] if "daily" in statement else [])


@pytest.mark.present_engine
@pytest.mark.parametrize("condition", ["datetime >= '2026-11-20 00:00:00'", "symbol = 'BTC'"])
def test_filter_by_key_uses_the_primary_key(
    repository: Repository, embedded: ClickHouseAdapter, database: str, condition: str
) -> None:
    repository.upsert_prices([price_row()])
    by_key = " ".join(plan(embedded, database, condition).partition("PrimaryKey")[2].split())
    assert by_key.startswith(f"Keys: {condition.split(maxsplit=1)[0]} ")


@pytest.mark.present_engine
@pytest.mark.parametrize(
    "condition", ["time >= '2026-11-20 00:00:00'", "time_utc >= '2026-11-20'", "date = '2026-11-20'"]
)
def test_filter_by_time_is_applied_before_sorting(
    repository: Repository, embedded: ClickHouseAdapter, database: str, condition: str
) -> None:
    """ClickHouse cannot use the key for it, but filters as it reads the table."""
    repository.upsert_prices([price_row()])
    reading = plan(embedded, database, condition).partition("ReadFromMergeTree")[2]
    assert "Prewhere filter column: " in reading
    assert "(datetime, " in reading.partition("Prewhere filter column: ")[2].splitlines()[0].replace("__table1.", "")

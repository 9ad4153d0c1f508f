"""The ledger of corrections: exactly one row for each replaced price of an hour that was over, however it went."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import EtlError
from adapters._bases.hourly_table import Correction
from adapters._bases.retry import RetryPolicy
from adapters._bases.topology import Changes, Replication
from configurations.config import PROJECT_ROOT
from tests.conftest import NOW
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Read, Repository, Sql

LATER = NOW + timedelta(hours=2)
STATEMENTS = re.findall(
    r"^```sql\n(SELECT.*?)^```$", (PROJECT_ROOT / "docs" / "analysts.md").read_text(), re.MULTILINE | re.DOTALL
)
Store = Callable[..., None]
Ledger = Callable[[], list[tuple[object, ...]]]


@pytest.fixture(params=["update", "insert"])
def changes(request: pytest.FixtureRequest) -> Any:
    """How a change is written: in place, or, on replicas, as a newer version."""
    return request.param


@pytest.fixture
def store(server: ClickHouseAdapter, make_table: MakeRepository, changes: Changes) -> Store:
    """Upsert one price of BTC, by a run at some time; without retries."""

    def upsert(price: float, at: datetime = LATER, run: str = "run-1", **values: object) -> None:
        once, replication = RetryPolicy(attempts=1), Replication(changes=changes)
        repository = make_table(server, lambda: at, retry=once, replication=replication)
        repository.upsert_prices([price_row(price=price)._replace(run_id=run, **values)])  # type: ignore[arg-type]

    return upsert


@pytest.fixture
def ledger(sql: Sql) -> Ledger:
    columns = ", ".join(Correction._fields)
    return lambda: sql(f"SELECT {columns} FROM crypto.price_corrections ORDER BY version")


def test_replaced_price_of_an_hour_that_is_over_is_kept(store: Store, ledger: Ledger) -> None:
    """There and back and there again is three rows; a new hour, the present one and other columns are none."""
    store(1.0, NOW)
    store(2.0, NOW + timedelta(minutes=10))
    store(2.0, market_cap=5.0)
    assert ledger() == []

    store(3.5, run="run-2", endpoint="historical")
    hour = ("crypto_prices", "BTC", "2026-11-23 12:00:00")
    assert ledger() == [(*hour, 2.0, 3.5, "USD", "2026-11-23 14:35:07", "run-2", "latest", "historical")]
    for price in (2.0, 3.5, 3.5):
        store(price, run="run-2", endpoint="historical")
    assert [row[3:5] for row in ledger()] == [(2.0, 3.5), (3.5, 2.0), (2.0, 3.5)]


@pytest.mark.parametrize(
    ("kind", "statement"),
    [(kind, statement) for kind in ("reset", "execute_then_reset") for statement in ("LEDGER", "CHANGE")],
)
def test_interrupted_correction_is_noted_once(
    store: Store,
    ledger: Ledger,
    front: ClickHouseFront,
    view: Read,
    *,
    database: str,
    changes: Changes,
    kind: str,
    statement: str,
) -> None:
    """A run ends between ledger and table, or loses an answer; the spool's replay then changes the table once."""
    change = "ALTER" if changes == "update" else f"INSERT INTO `{database}`.`crypto_prices`"
    begin = change if statement == "CHANGE" else f"INSERT INTO `{database}`.`price_corrections`"
    store(1.0, NOW)
    front.faults.append(Fault(kind, statement=begin))  # type: ignore[arg-type]
    with pytest.raises(EtlError):
        store(2.0, run="run-2")

    for _ in range(2):
        store(2.0, LATER + timedelta(hours=1), run="run-2")

    assert [(row[3:5], row[7]) for row in ledger()] == [((1.0, 2.0), "run-2")]
    assert view("price") == [(2.0,)]


def test_what_the_table_said_on_a_day_can_be_reconstructed(store: Store, sql: Sql) -> None:
    """The old price of the first correction since then, else the stored one: by the statement of the analysts' page."""
    days = [NOW + timedelta(days=number) for number in range(4)]
    for day, price in zip(days, (1.0, 2.0, 2.0, 3.0), strict=True):
        store(price, day)
    statement = next(one for one in STATEMENTS if "price_corrections" in one)
    for day, price in zip(days, (1.0, 2.0, 2.0, 3.0), strict=True):
        asked = statement.replace("2026-11-24 00:00:00", f"{day:%Y-%m-%d} 23:00:00")
        assert [row[-1] for row in sql(asked)] == [price]


def test_largest_corrections_are_listed_first(store: Store, repository: Repository) -> None:
    for price in (100.0, 101.0, 202.0):
        store(price, NOW if price == 100 else LATER)
    found = repository.corrections(since="2026-11-23 00:00:00", most=1)
    assert (found.total, [one.percent for one in found.largest]) == (2, [100.0])
    assert isinstance(found.largest[0], Correction)
    assert repository.corrections(since="2026-11-24 00:00:00", most=1).total == 0

"""The loader between spool and table: whatever breaks between any two steps, each fetched row ends up stored once."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import EtlError, StorageUnavailable
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import key_of
from adapters._bases.retry import RetryPolicy
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter, PriceRow
from adapters.files.spool import Spool
from crons.job import JobContext, RunReport
from loaders.spooled_loader import SpooledLoader
from tests.support.clickhouse_front import ClickHouseFront, Fault, FaultKind
from tests.support.mortal_disk import ENDINGS, Died, Ending, MortalDisk
from tests.support.price_rows import price_row
from tests.support.scale import LARGE
from tests.support.small_disk import filled, small_disk

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)
Key = tuple[str, str]
_PRICES = count(1)
_DATABASES = count(1)

symbols = st.sets(st.sampled_from(["BTC", "ETH", "SOL"]), min_size=1)
hours = st.integers(9, 11)
endings: st.SearchStrategy[Ending] = st.sampled_from(ENDINGS)
breaks: st.SearchStrategy[FaultKind] = st.sampled_from(["reset", "execute_then_reset"])
statements = st.sampled_from(["CREATE", "SELECT toUInt64", "INSERT", "ALTER"])


class LoaderMachine(RuleBasedStateMachine):
    """Loads, loads that break off, kills while the spool is written, and damage to what waits.

    A dict stands for the table, and a list for the spool. A key may have one of several values, None among them for
    none, where damage leaves open which got through.
    """

    front: ClickHouseFront
    clickhouse: ClickHouseAdapter

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = f"loader_{next(_DATABASES)}"
        self.patch = pytest.MonkeyPatch()
        self.disk = MortalDisk(Path(self.folder.name), self.patch)
        self.spool = Spool(Path(self.folder.name) / "spool" / "job")
        self.table: dict[Key, set[float | None]] = {}
        self.waiting: list[list[PriceRow]] = []
        self.damaged = 0

    def teardown(self) -> None:
        self.front.faults.clear()
        try:
            self.load_goes_well({"BTC"}, 12)
        finally:
            self.patch.undo()
            self.clickhouse.command(f"DROP DATABASE IF EXISTS {self.database} SYNC")
            self.folder.cleanup()

    @rule(names=symbols, hour=hours)
    def load_goes_well(self, names: set[str], hour: int) -> None:
        self._load(names, hour)
        self._drain()
        assert self.spool.waiting() == []
        assert len(self.spool.rejected.waiting()) == self.damaged
        self._compare()

    @rule(names=symbols, hour=hours, kind=breaks, statement=statements, spared=st.integers(0, 2))
    def load_breaks_off(self, names: set[str], hour: int, kind: FaultKind, statement: str, spared: int) -> None:
        self.front.faults.append(Fault(kind, statement, spared=spared))
        with suppress(EtlError):
            self._load(names, hour)
        self.front.faults.clear()
        self._drain(all_but=len(self.spool.waiting()))

    @rule(names=symbols, hour=hours, ending=endings, steps=st.integers(0, 12))
    def dies_at_the_disk(self, names: set[str], hour: int, ending: Ending, steps: int) -> None:
        self.disk.settle()
        self.disk.steps_left = steps
        rows, storing = _rows(names, hour), loader(self.clickhouse, self.database, self.spool)
        kept = False
        with suppress(Died):
            asyncio.run(storing.keep(rows))
            kept = True
            asyncio.run(storing.store_kept())
        self.disk.restart(ending)
        waiting = len(self.spool.waiting())
        if kept or waiting > len(self.waiting):
            self.waiting.append(rows)
        self._drain(all_but=waiting)

    @precondition(lambda self: self.waiting and self.waiting[0])
    @rule()
    def last_record_of_the_oldest_is_lost(self) -> None:
        path = self.spool.waiting()[0]
        self.damaged += self.spool.read(path).damage is None
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        row = self.waiting[0].pop()
        self.table[key_of(row)] = self.table.get(key_of(row), {None}) | {row.price}

    def _load(self, names: set[str], hour: int) -> None:
        self.waiting.append(_rows(names, hour))
        asyncio.run(loader(self.clickhouse, self.database, self.spool).load(list(self.waiting[-1])))

    def _drain(self, *, all_but: int = 0) -> None:
        drained = self.waiting[: len(self.waiting) - all_but]
        self.table |= {key_of(row): {row.price} for batch in drained for row in batch}
        del self.waiting[: len(drained)]

    def _compare(self) -> None:
        statement = f"SELECT symbol, datetime, price FROM {self.database}.crypto_prices"
        found = [((str(symbol), str(hour)), price) for symbol, hour, price in self.clickhouse.query(statement)]
        assert [key for key, times in Counter(key for key, _ in found).items() if times > 1] == []
        stored = dict(found)
        assert {key for key, allowed in self.table.items() if stored.get(key) not in allowed} == set()
        assert set(stored) <= set(self.table)
        # From here on what is stored is known.
        self.table = {key: {stored.get(key)} for key in self.table}


def _rows(names: set[str], hour: int) -> list[PriceRow]:
    at = f"2026-11-23 {hour:02d}:05:07"
    return [price_row(name, float(next(_PRICES)), fetched_at=at) for name in sorted(names)]


def only_reason(spool: Spool) -> str:
    [path] = spool.rejected.waiting()
    return path.with_name(f"{path.name}.reason").read_text()


@dataclass
class Run:
    """What a loader needs of a `JobContext`."""

    repository: HourlyRepository
    spool: Spool
    report: RunReport

    def step(self, text: str) -> None:
        pass


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def report() -> RunReport:
    return RunReport()


def loader(
    clickhouse: ClickHouseAdapter, database: str, spool: Spool, report: RunReport | None = None
) -> SpooledLoader:
    repository = CoinMarketCapClickHouseAdapter(
        clickhouse=clickhouse, database=database, retry=RetryPolicy(attempts=1), clock=lambda: NOW
    )
    return SpooledLoader(cast(JobContext, Run(repository, spool, report or RunReport())))


def test_spool_and_upsert_together_keep_every_row(front: ClickHouseFront, server: ClickHouseAdapter) -> None:
    LoaderMachine.front, LoaderMachine.clickhouse = front, server
    examples, slow = 40 if LARGE else 5, [HealthCheck.too_slow]
    few = settings(max_examples=examples, stateful_step_count=8, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(LoaderMachine, settings=few)


async def test_a_spool_that_has_room_again_takes_the_rows_though_the_database_fails(
    server: ClickHouseAdapter, front: ClickHouseFront, database: str, report: RunReport, tmp_path: Path
) -> None:
    with small_disk(tmp_path) as disk:
        spool = Spool(disk / "spool")
        for name in ("BTC", "ETH"):
            spool.put(PriceRow._fields, [price_row(name)])
        filled(disk)
        front.faults.append(Fault("reset", "INSERT", spared=1))
        storing = loader(server, database, spool, report)
        with pytest.raises(StorageUnavailable):
            await storing.load([price_row("SOL")])
        assert [spool.read(path).records[0]["symbol"] for path in spool.waiting()] == ["ETH", "SOL"]
        assert (report.inserted, report.replayed) == (0, 1)
        await storing.store_kept()
        assert (report.inserted, report.replayed) == (1, 2)


async def test_kept_batches_are_stored_by_one_upsert(
    server: ClickHouseAdapter, front: ClickHouseFront, database: str, spool: Spool, report: RunReport
) -> None:
    storing = loader(server, database, spool, report)
    for name in ("BTC", "ETH", "SOL"):
        await storing.keep([price_row(name)])
    assert [spool.read(path).records[0]["symbol"] for path in spool.waiting()] == ["BTC", "ETH", "SOL"]
    assert (storing.kept, front.statements) == (3, [])
    await storing.store_kept()
    assert (report.inserted, list(report.values), report.failures) == (3, ["BTC", "ETH", "SOL"], [])
    assert len(front.asked("INSERT")) == 1
    assert (storing.kept, spool.waiting()) == (0, [])


@pytest.mark.parametrize("unmovable", [False, True], ids=["it goes aside", "it has to stay"])
async def test_a_spool_file_that_cannot_be_read_blocks_nothing(
    unmovable: bool,  # noqa: FBT001
    embedded: ClickHouseAdapter,
    database: str,
    report: RunReport,
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path)
    (tmp_path / "0000000001.spool").mkdir()
    if unmovable:
        (tmp_path / "rejected").write_text("in the way")
    spool.put(PriceRow._fields, [price_row("SOL")])
    storing = loader(embedded, database, spool, report)
    with capture_logs() as logs:
        await storing.load([price_row("BTC")])
    assert (report.inserted, report.replayed) == (1, 1)
    [warning] = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["event"] == ("spool file not processed" if unmovable else "damaged spool file set aside")
    assert "0000000001" in warning["file"]
    assert "it cannot be read: Is a directory" in warning["reason"]
    assert [path.name for path in spool.waiting()] == ["0000000001.spool"] * unmovable
    await storing.load([])
    assert (report.inserted, report.replayed, report.failures) == (1, 1, [])


@pytest.mark.parametrize(
    "bad", [{"name": "half a character: \ud800"}, {"fetched_at": "no time at all"}, {"symbol": ["BAD"]}], ids=str
)
async def test_a_row_that_cannot_be_stored_does_not_block_the_spool(
    clickhouse: ClickHouseAdapter, database: str, spool: Spool, report: RunReport, bad: dict[str, object]
) -> None:
    row = price_row("BAD")._replace(**bad)  # type: ignore[arg-type]
    spool.put(PriceRow._fields, [price_row("ETH"), price_row("XRP"), row, price_row("ADA"), price_row("DOT")])
    spool.put(PriceRow._fields, [price_row("SOL")])
    await loader(clickhouse, database, spool, report).load([price_row("BTC")])
    assert (report.inserted, report.replayed) == (1, 5)
    assert f"{row.symbol!r} at {str(row.fetched_at)[:13]}:00:00: " in only_reason(spool)
    stored = {str(symbol) for (symbol,) in clickhouse.query(f"SELECT symbol FROM {database}.crypto_prices")}
    assert stored == {"ADA", "BTC", "DOT", "ETH", "SOL", "XRP"}


@pytest.fixture
def limited(
    server: ClickHouseAdapter, database: str, spool: Spool, report: RunReport
) -> Callable[[str], SpooledLoader]:
    def make(condition: str) -> SpooledLoader:
        made = loader(server, database, spool, report)
        asyncio.run(made.ensure_ready())
        server.command(f"ALTER TABLE {database}.crypto_prices ADD CONSTRAINT one CHECK {condition}")
        return made

    return make


COINS = [price_row(f"COIN{number:03}", float(number)) for number in range(1, 193)]
"""Coins of one hour, priced 1, 2, 3 and so on."""


def test_rows_refused_alike_are_not_tried_one_by_one(
    limited: Callable[[str], SpooledLoader], front: ClickHouseFront, spool: Spool, report: RunReport
) -> None:
    made = limited("price < 0")
    front.statements.clear()
    asyncio.run(made.load(COINS))
    assert report == RunReport(failures=["the database refused every row of a batch; the warnings say why"])
    assert len(front.asked("INSERT")) <= 32
    reason = only_reason(spool)
    assert all(f"COIN{number}" in reason for number in ("001", "002", "191", "192"))
    assert "184 more rows, not tried" in reason


@pytest.mark.parametrize("numbers", [[1], [50, 192], [2, 3, 98], [1, 2, 97, 190, 191, 192, 193]])
def test_few_bad_rows_cost_no_other(
    limited: Callable[[str], SpooledLoader],
    server: ClickHouseAdapter,
    database: str,
    spool: Spool,
    report: RunReport,
    *,
    numbers: list[int],
) -> None:
    bad = [row for row in COINS if row.price in numbers]
    made = limited(f"price NOT IN ({', '.join(map(str, numbers))})")
    halved = price_row("COIN192", name="half a character: \ud800") if 193 in numbers else COINS[-1]
    asyncio.run(made.load([*COINS[:-1], halved]))
    assert (report.inserted, report.failures) == (len(COINS) - len(bad), [])
    assert all(row.symbol in only_reason(spool) for row in bad)
    found = server.query(f"SELECT price FROM {database}.crypto_prices")
    assert {price for (price,) in found} == {row.price for row in COINS if row not in bad}

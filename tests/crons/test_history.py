"""The history of runs, from the command line to the table."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import astuple, replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import EtlError, SourceUnavailable
from adapters.clickhouse.etl_runs_clickhouse_adapter import FIELDS, EtlRunsAdapter, RunRecord
from adapters.files.locks import ProcessLock, note_of
from adapters.files.spool import Spool
from configurations.config import VERSION, Settings, SettingsError
from crons.backfill import Past
from crons.history import kept_runs
from crons.job import JobContext, Request
from crons.registry import JOBS
from crons.run import execute
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.faulty_source import FaultySource
from tests.support.price_table import Sql
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock
from transformers.coverage import Batch

pytestmark = pytest.mark.usefixtures("quick_retries")

JOB = "cmc_hourly_prices"


class Host(NamedTuple):
    settings: Settings
    clock: SteppedClock
    source: FaultySource
    front: ClickHouseFront
    history: EtlRunsAdapter  # what the table holds
    records: Spool  # what waits on the disk

    def run(self) -> None:
        execute(Request(JOB), JOBS[JOB], self.settings, self.clock)

    def only(self) -> RunRecord:
        [record] = self.history.recent(JOB, 10)
        return record


@pytest.fixture
def host(  # noqa: PLR0917 - fixtures
    front: ClickHouseFront,
    embedded: ClickHouseAdapter,
    database: str,
    source: FaultySource,
    clock: SteppedClock,
    tmp_path: Path,
) -> Host:
    settings = make_settings(
        **front.variables(database),
        cmc_api_key=source.key,
        cmc_base_url=source.base_url,
        data_path=tmp_path,
        run_timeout_seconds=60,
    )
    history = EtlRunsAdapter(clickhouse=embedded, database=database, keep_days=7_300)
    return Host(settings, clock, source, front, history, Spool(tmp_path / "spool" / "etl_runs" / JOB))


def test_good_run_is_recorded(host: Host) -> None:
    host.run()
    record = host.only()
    assert (record.kind, record.status, record.error, record.version) == ("run", "ok", "", VERSION)
    assert (record.extracted, record.inserted, record.hours_asked, record.without_quote) == (3, 3, 3, 0)
    assert (record.calls, record.credits) == (2, 1)
    assert record.started_at == record.finished_at == "2026-11-23 15:37:09"


@pytest.mark.parametrize("kind", ["reset", "execute_then_reset", "error"])
def test_failed_record_does_not_fail_the_run(host: Host, kind: str) -> None:
    host.run()
    host.front.faults.append(Fault(kind, "INSERT INTO `" + host.settings.clickhouse_db + "`.`etl_runs`", code=497))  # type: ignore[arg-type]
    host.clock.advance(timedelta(hours=1))
    host.run()
    assert len(host.records.waiting()) == 1
    host.clock.advance(timedelta(hours=1))
    host.run()
    assert [record.status for record in host.history.recent(JOB, 10)] == ["ok", "ok", "ok"]
    assert host.records.waiting() == []


@pytest.mark.parametrize("fails", [False, True])
def test_backfill_makes_the_run_of_an_hour_that_begins_meanwhile(host: Host, sql: Sql, *, fails: bool) -> None:
    """Between two answers, or at its end if the source fails, with all symbols; it is a run of its own."""

    async def backfill(ctx: JobContext, past: Past) -> None:
        take = past.take

        async def take_late(batch: Batch) -> None:
            host.clock.advance(timedelta(hours=1))
            if fails:
                raise SourceUnavailable("the source is down")
            await take(batch)

        past.take = take_late  # type: ignore[method-assign]  # an hour later
        await JOBS[JOB].backfill(ctx, past)  # type: ignore[misc]  # this job has one

    job = replace(JOBS[JOB], backfill=backfill)
    with pytest.raises(SourceUnavailable) if fails else nullcontext():
        execute(Request(JOB, "backfill", hours=2, symbols="BTC"), job, host.settings, host.clock)
    of_kind = {one.kind: one for one in host.history.recent(JOB, 10)}
    assert (of_kind["backfill"].failed, of_kind["backfill"].inserted) == (fails, 0 if fails else 2)
    assert (of_kind["run"].status, of_kind["run"].inserted, of_kind["run"].calls) == ("ok", 3, 2)
    hours = f"SELECT datetime FROM {host.settings.clickhouse_db}.crypto_prices WHERE symbol = 'ETH'"
    assert sql(hours) == [("2026-11-23 16:00:00",)]
    assert host.records.waiting() == []


def test_run_killed_after_its_record_is_recorded_once(host: Host) -> None:
    """Its own record counts, not the one made of its lock's note."""
    host.front.refuse()
    with pytest.raises(EtlError):
        host.run()
    [kept] = kept_runs(map(host.records.read, host.records.waiting()))
    lock = host.settings.data_path / "locks" / f"{JOB}.lock"
    with ProcessLock(lock, task=f"{JOB} run", clock=host.clock, run_id=kept.run_id):
        note = note_of(lock).read_text()
    note_of(lock).write_text(note)
    host.front.listen()
    host.clock.advance(timedelta(hours=1))
    host.run()
    assert host.records.waiting() == []
    runs = host.history.recent(JOB, 10)
    assert [(record.status, record.error) for record in runs] == [("ok", ""), ("failed", kept.error)]


@pytest.mark.parametrize("unmovable", [False, True], ids=["they go aside", "they have to stay"])
def test_damaged_history_file_does_not_fail_the_run(host: Host, *, unmovable: bool) -> None:
    folder = host.records.folder
    (folder / "0000000002.spool").mkdir(parents=True)
    (folder / "0000000001.spool").write_bytes(bytes(100))
    if unmovable:
        (folder / "rejected").write_text("in the way")
    with capture_logs() as logs:
        host.run()
    assert host.only().status == "ok"
    found = [str(entry) for entry in logs if entry["log_level"] == "warning"]
    assert ["0000000001" in found[0], "0000000002" in found[1]] == [True, True]
    assert len(found) == 2
    assert len(host.records.waiting()) == (2 if unmovable else 0)


def test_foreign_record_is_skipped(host: Host) -> None:
    ours = RunRecord("r0", JOB, "run", "2026-11-23 14:00:00", "2026-11-23 14:00:01", "ok")
    host.records.put([*FIELDS[1:], "run_id"], [[*astuple(ours)[1:], ours.run_id]])
    host.records.put(["symbol", "price"], [["BTC", 1.0]])
    host.run()
    assert [record.run_id for record in host.history.recent(JOB, 10)][1:] == ["r0"]
    assert host.records.waiting() == []


def test_wrong_settings_are_recorded(host: Host) -> None:
    wrong = SettingsError("BINANCE_PAIRS: no", next_step="correct it", settings=host.settings, wrong=["binance_pairs"])
    with pytest.raises(SettingsError):
        execute(Request(JOB), JOBS[JOB], host.settings, host.clock, failure=wrong)
    record = host.only()
    assert (record.kind, record.status, record.error) == ("run", "failed", "BINANCE_PAIRS: no")
    assert host.source.requests == []

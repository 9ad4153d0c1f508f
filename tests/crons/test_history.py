"""The history of runs, from the command line to the table."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import EtlError, SourceUnavailable
from adapters.clickhouse.etl_runs_clickhouse_adapter import FIELDS, EtlRunsAdapter, RunRecord
from adapters.files.locks import ProcessLock, note_of
from adapters.files.spool import Spool
from configurations.config import VERSION, Settings, SettingsError
from crons.backfill import Batch, Past
from crons.history import records_of
from crons.job import JobContext, Request
from crons.registry import JOBS
from crons.runner import execute, fail_for_settings
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.faulty_source import FaultySource
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("quick_retries")

JOB = "cmc_hourly_prices"
NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
Run = Callable[..., None]


@pytest.fixture
def clock() -> SteppedClock:
    """Stands at 2026-11-23 15:37:09 in Tehran."""
    return SteppedClock(NOW)


@pytest.fixture
def source(clock: SteppedClock) -> Iterator[FaultySource]:
    """CoinMarketCap, as far as the program can tell."""
    with FaultySource(clock=clock) as stand_in:
        yield stand_in


@pytest.fixture
def settings(source: FaultySource, front: ClickHouseFront, database: str, tmp_path: Path) -> Settings:
    """With a server as the database."""
    return make_settings(
        clickhouse_host="127.0.0.1",
        clickhouse_port=front.port,
        clickhouse_user=front.user,
        clickhouse_password=front.password,
        clickhouse_db=database,
        cmc_api_key=source.key,
        cmc_base_url=source.base_url,
        data_path=tmp_path,
        run_timeout_seconds=60,
    )


@pytest.fixture
def history(embedded: ClickHouseAdapter, database: str) -> EtlRunsAdapter:
    """What the table holds."""
    return EtlRunsAdapter(clickhouse=embedded, database=database, keep_days=7_300)


def run(settings: Settings, clock: SteppedClock) -> None:
    """Run the job as the command line does."""
    execute(Request(JOB), JOBS[JOB], settings, clock)


def waiting(settings: Settings) -> list[Path]:
    """The records that wait on the disk."""
    return sorted((settings.data_path / "spool" / "etl_runs" / JOB).glob("*.spool"))


def only(history: EtlRunsAdapter) -> RunRecord:
    """The one run in the table."""
    [record] = history.recent(JOB, 10)
    return record


def test_good_run_is_recorded(settings: Settings, clock: SteppedClock, history: EtlRunsAdapter) -> None:
    run(settings, clock)
    record = only(history)
    assert (record.kind, record.status, record.error, record.version) == ("run", "ok", "", VERSION)
    assert (record.extracted, record.inserted, record.hours_asked, record.without_quote) == (3, 3, 3, 0)
    assert (record.calls, record.credits) == (2, 1)
    assert record.started_at == record.finished_at == "2026-11-23 15:37:09"


@pytest.mark.parametrize("kind", ["reset", "execute_then_reset", "error"])
def test_failed_record_does_not_fail_the_run(
    settings: Settings, clock: SteppedClock, front: ClickHouseFront, history: EtlRunsAdapter, kind: str
) -> None:
    """The next run records it, once."""
    run(settings, clock)
    front.faults.append(Fault(kind, "INSERT INTO `" + settings.clickhouse_db + "`.`etl_runs`", code=497))  # type: ignore[arg-type]
    clock.advance(timedelta(hours=1))
    run(settings, clock)
    assert len(waiting(settings)) == 1
    clock.advance(timedelta(hours=1))
    run(settings, clock)
    assert [record.status for record in history.recent(JOB, 10)] == ["ok", "ok", "ok"]
    assert waiting(settings) == []


@pytest.mark.parametrize("fails", [False, True])
def test_backfill_makes_the_run_of_an_hour_that_begins_meanwhile(
    settings: Settings, clock: SteppedClock, history: EtlRunsAdapter, embedded: ClickHouseAdapter, *, fails: bool
) -> None:
    """Between two answers, or at its end if the source fails, with all symbols; it is a run of its own."""

    async def backfill(ctx: JobContext, past: Past) -> AsyncGenerator[Batch, None]:
        async for batch in JOBS[JOB].backfill(ctx, past):  # type: ignore[misc]  # this job has one
            clock.advance(timedelta(hours=1))
            if fails:
                raise SourceUnavailable("the source is down")
            yield batch

    job = replace(JOBS[JOB], backfill=backfill)
    with pytest.raises(SourceUnavailable) if fails else nullcontext():
        execute(Request(JOB, "backfill", hours=2, symbols="BTC"), job, settings, clock)
    of_kind = {one.kind: one for one in history.recent(JOB, 10)}
    assert (of_kind["backfill"].failed, of_kind["backfill"].inserted) == (fails, 0 if fails else 2)
    assert (of_kind["run"].status, of_kind["run"].inserted, of_kind["run"].calls) == ("ok", 3, 2)
    hours = f"SELECT datetime FROM {settings.clickhouse_db}.crypto_prices WHERE symbol = 'ETH'"
    assert embedded.query(hours) == [("2026-11-23 16:00:00",)]
    assert waiting(settings) == []


def test_run_killed_after_its_record_is_recorded_once(
    settings: Settings, clock: SteppedClock, front: ClickHouseFront, history: EtlRunsAdapter
) -> None:
    """Its own record counts, not the one made of its lock's note."""
    front.refuse()
    with pytest.raises(EtlError):
        run(settings, clock)
    waits = Spool(settings.data_path / "spool" / "etl_runs" / JOB)
    [kept] = [record for path in waiting(settings) for record in records_of(waits.read(path))]
    lock = settings.data_path / "locks" / f"{JOB}.lock"
    with ProcessLock(lock, task=f"{JOB} run", clock=clock, run_id=kept.run_id):
        note = note_of(lock).read_text()
    note_of(lock).write_text(note)
    front.listen()
    clock.advance(timedelta(hours=1))
    run(settings, clock)
    assert waiting(settings) == []
    runs = history.recent(JOB, 10)
    assert [(record.status, record.error) for record in runs] == [("ok", ""), ("failed", kept.error)]


@pytest.mark.parametrize("unmovable", [False, True], ids=["they go aside", "they have to stay"])
def test_damaged_history_file_does_not_fail_the_run(
    unmovable: bool,  # noqa: FBT001
    settings: Settings,
    clock: SteppedClock,
    history: EtlRunsAdapter,
) -> None:
    folder = settings.data_path / "spool" / "etl_runs" / JOB
    (folder / "0000000002.spool").mkdir(parents=True)
    (folder / "0000000001.spool").write_bytes(bytes(100))
    if unmovable:
        (folder / "rejected").write_text("in the way")
    with capture_logs() as logs:
        run(settings, clock)
    assert only(history).status == "ok"
    found = [str(entry) for entry in logs if entry["log_level"] == "warning"]
    assert ["0000000001" in found[0], "0000000002" in found[1]] == [True, True]
    assert len(found) == 2
    assert len(waiting(settings)) == (2 if unmovable else 0)


def test_foreign_record_is_skipped(settings: Settings, clock: SteppedClock, history: EtlRunsAdapter) -> None:
    ours = RunRecord("r0", JOB, "run", "2026-11-23 14:00:00", "2026-11-23 14:00:01", "ok")
    waits = Spool(settings.data_path / "spool" / "etl_runs" / JOB)
    waits.put([*FIELDS[1:], "run_id"], [[*ours.values()[1:], ours.run_id]])
    waits.put(["symbol", "price"], [["BTC", 1.0]])
    run(settings, clock)
    assert [record.run_id for record in history.recent(JOB, 10)][1:] == ["r0"]
    assert waiting(settings) == []


def test_wrong_settings_are_recorded(
    settings: Settings, clock: SteppedClock, source: FaultySource, history: EtlRunsAdapter
) -> None:
    wrong = SettingsError("BINANCE_PAIRS: no", next_step="correct it", settings=settings, wrong=["binance_pairs"])
    with pytest.raises(SettingsError):
        fail_for_settings(Request(JOB), JOBS[JOB], wrong, clock)
    record = only(history)
    assert (record.kind, record.status, record.error) == ("run", "failed", "BINANCE_PAIRS: no")
    assert source.requests == []

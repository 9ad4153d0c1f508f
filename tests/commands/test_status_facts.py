"""Which missing hours need attention, by their age, the schedule and the heal."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from adapters._bases.tehran_time import hour_key, hour_start, tehran_text
from adapters.clickhouse.etl_runs_clickhouse_adapter import BUSY, RunRecord
from commands.status_facts import DatabaseFacts, JobFacts, Series, Turn, needs
from crons.install import Schedules
from transformers.coverage import Coverage

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def job_missing(
    *hours_ago: int, last: int = 0, every: int = 1, heal_every: int | None = None, fill: str | None = "fill"
) -> JobFacts:
    """A job whose one symbol misses these hours before the present one, and has its last price ``last`` hours ago."""
    hour = hour_start(NOW)
    missing = sorted(hour - HOUR * ago for ago in hours_ago)
    series = Series("ETH", hour_key(hour - HOUR * last), 1.0, Coverage(missing[0], {}, missing, []), [])
    return JobFacts(
        name="job",
        every=HOUR * every,
        heal=None if heal_every is None else Turn("17 4 * * *", NOW, HOUR * heal_every),
        database=DatabaseFacts(series=[series]),
        fill=fill,
    )


@pytest.mark.parametrize(("heal_every", "after"), [(None, 24), (24, 48), (168, 336)])
def test_a_missing_hour_needs_attention_after_a_day_or_two_heals(heal_every: int | None, after: int) -> None:
    assert needs(job_missing(1, 2, after - 1, heal_every=heal_every), NOW) == []
    [need] = needs(job_missing(1, 2, after, heal_every=heal_every), NOW)
    assert need.startswith("1 hour of ETH missing, the oldest for ")
    assert need.endswith(f": fill {after}")


def test_busy_run_needs_attention_only_if_its_hour_is_missing() -> None:
    """At once: an hour that is merely missing has a day."""
    missing = f"no price of {hour_key(NOW - HOUR * 2)[:16]}, whose run found another one busy: fill 2"
    for hours, wanted in ((2, [missing]), (1, [])):
        at = tehran_text(NOW - HOUR * hours)
        busy = RunRecord("a", "job", "run", at, at, BUSY)
        assert needs(replace(job_missing(2), busy_runs=[busy]), NOW) == wanted


def test_missing_cron_daemon_needs_attention_if_there_is_a_line() -> None:
    job = replace(job_missing(1), crontab=Schedules({}, cron_runs=False))
    assert needs(job, NOW) == []
    [need] = needs(replace(job, heal=Turn("17 4 * * *", NOW, HOUR * 24)), NOW)
    assert need == "no cron daemon runs, so cron starts nothing: service cron start"


@pytest.mark.parametrize(("due", "wanted"), [(HOUR, False), (-HOUR, True), (None, True)])
def test_first_backup_is_missed_after_its_time(due: timedelta | None, *, wanted: bool) -> None:
    backup = Turn("47 4 * * *", NOW, HOUR * 24)
    job = replace(job_missing(1), backup=backup, backup_due=None if due is None else NOW + due)
    assert [need.partition(",")[0] for need in needs(job, NOW)] == ["no backup yet"] * wanted


def test_outage_is_reported_once_and_a_coin_lost_before_it_by_itself() -> None:
    """The log is mentioned only where there is one."""
    series = [
        Series(symbol, hour_key(NOW - HOUR * ago), 1.0, Coverage(None, {}, [], []), [])
        for symbol, ago in {"BTC": 5, "ETH": 4, "DEAD": 99}.items()
    ]
    success = RunRecord("id", "job", "run", tehran_text(NOW - HOUR * 5), tehran_text(NOW - HOUR * 5), "ok")
    job = replace(
        job_missing(1),
        last_success=success,
        database=DatabaseFacts(series=series),
        run=Turn("0 * * * *", NOW, HOUR),
    )
    assert needs(job, NOW) == [
        "no successful run for 5 h 0 min, so no price of BTC, ETH: ./run.sh cron_run job",
        "no price for over 2 hours of DEAD: check SYMBOLS",
    ]
    assert all(
        ": see logs/cron.log, then " in need for need in needs(replace(job, see_log="see logs/cron.log, then "), NOW)
    )


@pytest.mark.parametrize(
    ("job", "counts"),
    [
        (job_missing(29, 28, last=30), False),  # after the last stored hour: another line says how late a symbol is
        (job_missing(*range(30, 35), every=6), False),  # between two runs of a schedule
        (job_missing(*range(30, 36), every=6), True),
        (job_missing(*range(30, 41), every=6), True),
        (job_missing(30, fill=None), False),  # a source that gives the present hour only
    ],
)
def test_hours_that_no_heal_would_fill_do_not_count(job: JobFacts, *, counts: bool) -> None:
    assert bool(needs(job, NOW)) == counts

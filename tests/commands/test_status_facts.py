"""Which missing hours need attention, by their age, the schedule and the heal."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from adapters._bases.tehran_time import hour_key, hour_start
from commands.status_facts import DatabaseFacts, JobFacts, Series, SpoolFacts, Turn, needs
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
        database=DatabaseFacts("ok"),
        spool=SpoolFacts(),
        history=SpoolFacts(),
        fill=fill,
        series=[series],
    )


@pytest.mark.parametrize(("heal_every", "after"), [(None, 24), (24, 48), (168, 336)])
def test_a_missing_hour_needs_attention_after_a_day_or_two_heals(heal_every: int | None, after: int) -> None:
    """With the command and its HOURS; younger hours do not count."""
    assert needs(job_missing(1, 2, after - 1, heal_every=heal_every), NOW) == []
    [need] = needs(job_missing(1, 2, after, heal_every=heal_every), NOW)
    assert need.startswith("1 hour of ETH missing, the oldest for ")
    assert need.endswith(f": fill {after}")


def test_hours_after_the_last_stored_one_do_not_count() -> None:
    """Another line says how late a symbol is."""
    assert needs(job_missing(29, 28, last=30), NOW) == []


@pytest.mark.parametrize(("gap", "counts"), [(5, False), (6, True), (11, True)])
def test_hours_between_two_scheduled_runs_do_not_count(gap: int, *, counts: bool) -> None:
    """A job that runs every six hours leaves five between; a longer gap is a missed run."""
    assert bool(needs(job_missing(*range(30, 30 + gap), every=6), NOW)) == counts


def test_hours_that_no_command_fills_do_not_count() -> None:
    """A source may give the present hour only."""
    assert needs(job_missing(30, fill=None), NOW) == []


def test_the_command_reaches_the_oldest_hour() -> None:
    """Its HOURS include all of them."""
    [need] = needs(job_missing(30, 100, 40), NOW)
    assert need == "3 hours of ETH missing, the oldest for 4 d 4 h: fill 100"

"""What of a job needs attention for its missing hours, by age, schedule and heal; the time is a parameter."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from adapters._bases.tehran_time import hour_key, hour_start
from commands.status_facts import JobFacts, SpoolFacts, needs
from crons.inspection import Series
from transformers.coverage import Coverage

NOW = datetime(2026, 11, 23, 12, 7, 9, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
NOTHING = SpoolFacts(waiting=0, oldest=None, damaged=())


def job_missing(
    *hours_ago: int, last: int = 0, every: int = 1, heal_every: int | None = None, fill: str | None = "fill"
) -> JobFacts:
    """A job whose one symbol misses the hours so many before the present one, and has its last price ``last`` ago."""
    hour = hour_start(NOW)
    missing = sorted(hour - HOUR * ago for ago in hours_ago)
    series = Series("ETH", hour_key(hour - HOUR * last), 1.0, Coverage(missing[0], {}, missing, []), [])
    return JobFacts(
        name="job",
        wanted=False,
        every=HOUR * every,
        next_run=None,
        next_heal=None,
        crontab_unknown=None,
        running=None,
        database="ok",
        database_detail="",
        in_use_since=None,
        last_success=None,
        last_failure=None,
        last_heal=None,
        failed_runs=(),
        failed_heals=(),
        spool=NOTHING,
        history=NOTHING,
        fill=fill,
        heal_every=None if heal_every is None else HOUR * heal_every,
        series=[series],
    )


@pytest.mark.parametrize(("heal_every", "after"), [(None, 24), (24, 48), (168, 336)])
def test_a_missing_hour_has_a_day_or_two_turns_of_the_heal(heal_every: int | None, after: int) -> None:
    """From then on it is told, with the command and its HOURS; the younger ones beside it are not counted."""
    assert needs(job_missing(1, 2, after - 1, heal_every=heal_every), NOW) == []
    [need] = needs(job_missing(1, 2, after, heal_every=heal_every), NOW)
    assert need.startswith("1 hour of ETH missing, the oldest for ")
    assert need.endswith(f": fill {after}")


def test_hours_after_the_last_stored_one_are_not_told_here() -> None:
    """How late a symbol is, is told already, and no heal is the answer to it."""
    assert needs(job_missing(29, 28, last=30), NOW) == []


@pytest.mark.parametrize(("gap", "told"), [(5, False), (6, True), (11, True)])
def test_hours_between_the_turns_of_a_schedule_are_not_told(gap: int, *, told: bool) -> None:
    """A job that runs every six hours leaves five between them; a longer gap is a turn that was missed."""
    assert bool(needs(job_missing(*range(30, 30 + gap), every=6), NOW)) == told


def test_what_nothing_can_fill_is_no_need() -> None:
    """A source that gives the present hour only."""
    assert needs(job_missing(30, fill=None), NOW) == []


def test_the_oldest_hour_is_in_reach_of_the_command() -> None:
    """HOURS takes in all of them."""
    [need] = needs(job_missing(30, 100, 40), NOW)
    assert need == "3 hours of ETH missing, the oldest for 4 d 4 h: fill 100"

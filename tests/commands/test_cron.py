"""``setup_cron`` as the operator runs it: what it says beside the change of the crontab."""

from __future__ import annotations

import pytest

from tests.commands.test_status import MAIN_AT
from tests.support.crontab_program import CrontabProgram
from tests.support.installation import Finished, Installation
from tests.support.stepped_clock import SteppedClock

TIP = "into the Tehran hour; for its beginning: --schedule"
THIRTY = ("--schedule", "30 * * * *")


def set_up(program: Installation, clock: SteppedClock, *arguments: str, zone: str = "UTC") -> Finished:
    """Run it at 2026-11-23 12:07:09 UTC, 15:37:09 in Tehran, on a host of this zone."""
    return program.start(MAIN_AT, clock().isoformat(), "setup_cron", *arguments, TZ=zone).ended()


@pytest.mark.parametrize(
    ("zone", "arguments", "told"),
    [
        (
            "UTC",
            (),
            f'23 13:00 on this host\'s clock, 2026-11-23 16:30 in Tehran\nthat is 30 minutes {TIP} "30 * * * *"',
        ),
        (
            "Asia/Kathmandu",
            (),
            f"23 18:00 on this host's clock, 2026-11-23 15:45 in Tehran\nthat is 45 minutes {TIP} \"15",
        ),
        ("Asia/Tehran", (), "23 16:00 on this host's clock, 2026-11-23 16:00 in Tehran\n"),
        ("UTC", THIRTY, "23 12:30 on this host's clock, 2026-11-23 16:00 in Tehran\n"),
        ("UTC", ("--heal",), "24 04:17 on this host's clock, 2026-11-24 07:47 in Tehran\n"),
    ],
)
def test_the_next_start_is_told_on_both_clocks(
    embedded_program: Installation, clock: SteppedClock, zone: str, arguments: tuple[str, ...], told: str
) -> None:
    """With the schedule that takes prices at the beginning of the Tehran hour, where this one does not."""
    done = set_up(embedded_program, clock, *arguments, zone=zone)
    assert done.code == 0, done.log
    assert f"cron starts it next at 2026-11-{told}" in done.out
    assert done.out.count(TIP) == told.count(TIP)


def test_an_empty_schedule_is_refused(
    embedded_program: Installation, clock: SteppedClock, crontab: CrontabProgram
) -> None:
    """It is no way to say the default: exit code 2, and the crontab is not touched."""
    done = set_up(embedded_program, clock, "--schedule", "")
    assert done.code == 2
    assert "five fields" in done.log
    assert crontab.table is None

"""``setup_cron`` as the operator runs it: what it says beside the change of the crontab."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support.crontab_program import CrontabProgram
from tests.support.installation import Finished, Installation
from tests.support.terminal import on_a_terminal


def set_up(program: Installation, *arguments: str, zone: str = "UTC") -> Finished:
    """Run it at 2026-11-23 12:07:09 UTC, 15:37:09 in Tehran, on a host of this zone."""
    return program.at_clock("setup_cron", *arguments, TZ=zone)


@pytest.mark.parametrize(
    ("zone", "arguments", "on_host", "in_tehran", "words"),
    [
        ("UTC", (), "23 12:30", "23 16:00", "an hour begins in Tehran, minute 30 on this host's clock (UTC)"),
        ("Asia/Kathmandu", (), "23 18:15", "23 16:00", "minute 15 on this host's clock (+0545)"),
        ("Asia/Tehran", (), "23 16:00", "23 16:00", "minute 0 on this host's clock (+0330)"),
        ("UTC", ("--schedule", "1 * * * *"), "23 13:01", "23 16:31", "31 minutes into the Tehran hour; for its "),
        ("UTC", ("--heal",), "24 04:17", "24 07:47", "cron starts it next at"),
        ("UTC", ("--watch",), "24 08:07", "24 11:37", "status --quiet # watch"),
        ("UTC", ("--backup",), "24 04:47", "24 08:17", " -m main backup --keep 30 --quiet >> "),
    ],
)
def test_next_start_is_shown_on_both_clocks(  # noqa: PLR0917 - cases
    embedded_program: Installation,
    zone: str,
    arguments: tuple[str, ...],
    on_host: str,
    in_tehran: str,
    words: str,
) -> None:
    """By default when an hour begins in Tehran; another minute is named with the schedule for that."""
    done = set_up(embedded_program, *arguments, zone=zone)
    assert done.code == 0, done.log
    assert f"2026-11-{on_host} on this host's clock, 2026-11-{in_tehran} in Tehran" in done.out
    assert words in done.out
    assert ("--schedule" in done.out) == ("31 minutes" in words)


@pytest.mark.parametrize("arguments", [(), ("--heal",), ("--backup",), ("--watch",)])
def test_installed_schedule_stays(
    embedded_program: Installation, crontab: CrontabProgram, arguments: tuple[str, ...]
) -> None:
    """Without --schedule the line keeps its own, also when the rest of it changes."""
    assert set_up(embedded_program, *arguments, "--schedule", "5 6 * * *").code == 0
    crontab.store((crontab.table or b"").replace(b"PYTHONPATH=", b"PYTHONPATH=/old"))
    assert set_up(embedded_program, *arguments).code == 0
    assert b"/old" not in (crontab.table or b"/old")
    assert b"\n5 6 * * * cd " in (crontab.table or b"")


def test_every_line_is_removed(embedded_program: Installation, crontab: CrontabProgram) -> None:
    """By --all, and other lines stay; --heal and --watch are no single line."""
    crontab.store(b"5 4 * * * true\n")
    for arguments in ((), ("--heal",), ("--backup",), ("--watch",), ("binance_hourly_prices",)):
        assert set_up(embedded_program, *arguments).code == 0
    assert (crontab.table or b"").count(b"\n") == 8
    assert embedded_program.at_clock("remove_cron", "--heal", "--watch").code == 2
    assert embedded_program.at_clock("remove_cron", "--backup").code == 0
    assert (crontab.table or b"").count(b"\n") == 7
    assert b"# backup" not in (crontab.table or b"# backup")
    embedded_program.clock.advance(timedelta(seconds=1))  # the copy of a crontab is named by its time
    assert embedded_program.at_clock("remove_cron", "--all").code == 0
    assert crontab.table == b"5 4 * * * true\n"


def test_dry_run_installs_nothing_and_claims_nothing(embedded_program: Installation, crontab: CrontabProgram) -> None:
    done = set_up(embedded_program, "--dry-run")
    assert done.code == 0, done.log
    assert crontab.table is None
    assert not (embedded_program.root / "backups").exists()
    assert "cron starts" not in done.out
    assert "would start" in done.out


def test_empty_schedule_is_rejected(embedded_program: Installation, crontab: CrontabProgram) -> None:
    """It is no way to say the default: exit code 2, and the crontab is not touched."""
    done = set_up(embedded_program, "--schedule", "")
    assert done.code == 2
    assert "five fields" in done.log
    assert crontab.table is None


def warnings(done: Finished) -> str:
    """What it says that cron will lack, once it has done its work."""
    assert done.code == 0, done.log
    return "".join(line for line in done.log.splitlines(keepends=True) if line.startswith("warning: "))


def test_settings_cron_does_not_see_are_named(install: Callable[..., Installation]) -> None:
    """A variable of the shell's environment alone, the key of a heal and the way through a proxy included.

    With the same values in .env, cron does the same as this shell.
    """
    program = install("checkout", CLICKHOUSE_HOST="db.example", https_proxy="http://proxy.example:3128")
    line = warnings(program.command("setup_cron"))
    assert "cron will not see CLICKHOUSE_HOST, CMC_API_KEY, CMC_BASE_URL, LOG_LEVEL, set in" in line
    heal = warnings(program.command("setup_cron", "--heal", "--dry-run"))
    assert f"CMC_API_KEY is not set where cron sees it, so every heal will fail: set it in {program.root}/.env" in heal
    assert "cron will not see CLICKHOUSE_HOST, CMC_BASE_URL, LOG_LEVEL, set in" in heal
    assert "cron will not see https_proxy: " in heal
    assert "proxy.example" not in heal
    del program.settings["https_proxy"]
    given = {**program.settings, "LOG_LEVEL": "DEBUG"}
    (program.root / ".env").write_text("".join(f"{name}={given[name]}\n" for name in given if name != "PATH"))
    assert warnings(program.command("setup_cron", "--heal")) == ""


@pytest.mark.parametrize("arguments", [(), ("--heal",)])
def test_invalid_file_is_named(install: Callable[..., Installation], arguments: tuple[str, ...]) -> None:
    """A line of .env that this shell's environment hides stops what cron starts."""
    program = install("checkout")
    (program.root / ".env").write_text("\nSYMBOLS=\n")
    told = warnings(program.command("setup_cron", *arguments))
    assert "SYMBOLS" in told
    assert f"line 2 of {program.root}/.env" in told


@pytest.mark.parametrize("command", [("status", "--json"), ("status",), ("jobs",), ("check",)])
def test_unreadable_crontab_is_reported_and_the_rest_shown(
    install: Callable[..., Installation], crontab: CrontabProgram, command: tuple[str, ...]
) -> None:
    """Only what stands in the crontab is not known, and is said to be so."""
    words = "You (alice) are not allowed to use this program (crontab)"
    (crontab.folder / "crontab").write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    program = install("checkout", CLICKHOUSE_PATH="data/none")
    assert program.command("setup_db").code == 0
    done = program.command(*command)
    unread = f"cannot read the crontab: {words}"
    assert "not in the crontab" not in done.out
    assert "no: ./run.sh setup_cron" not in done.out
    if "--json" in command:
        [job] = json.loads(done.out)["jobs"]
        assert job["crontab_not_known"] == unread
        assert (job["schedule"], job["next_run"]) == (None, None)
    else:
        assert unread in done.out


@pytest.mark.parametrize(
    ("arguments", "schedule"), [((), "1 * * * *"), (("--heal",), "2 3 * * *"), (("--backup",), "4 5 * * *")]
)
def test_jobs_lists_installed_lines(program: Installation, arguments: tuple[str, ...], schedule: str) -> None:
    """The schedule of the line, and each missing line's command, whole on one line of 80 columns."""
    assert program.command("setup_cron", *arguments, "--schedule", schedule).code == 0
    drawn = on_a_terminal(program, "-m", "main", "jobs", settings={"TERM": "dumb"})
    assert drawn.count(" yes") == 1
    commands = [line.strip() for line in drawn.splitlines() if line.startswith("  ./run.sh setup_cron ")]
    jobs = json.loads(program.command("jobs", "--json").out)["jobs"]
    assert [job["schedule"] for job in jobs if job["installed"]] == [schedule]
    assert commands == [job["install"] for job in jobs if not job["installed"]]

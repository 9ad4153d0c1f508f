"""``setup_cron`` as the operator runs it: what it says beside the change of the crontab."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.crontab_program import CrontabProgram
from tests.support.installation import JOB, Finished, Installation


def set_up(program: Installation, *arguments: str, zone: str = "UTC") -> Finished:
    """Run it at 2026-11-23 12:07:09 UTC, 15:37:09 in Tehran, on a host of this zone."""
    return program.at_clock("setup_cron", *arguments, TZ=zone)


@pytest.mark.parametrize(
    ("zone", "arguments", "on_host", "in_tehran", "tip"),
    [
        ("UTC", (), "23 13:00", "23 16:30", "30 * * * *"),
        ("Asia/Kathmandu", (), "23 18:00", "23 15:45", "15 * * * *"),
        ("UTC", ("--schedule", "30 * * * *"), "23 12:30", "23 16:00", None),
        ("UTC", ("--heal",), "24 04:17", "24 07:47", None),
    ],
)
def test_next_start_is_shown_on_both_clocks(  # noqa: PLR0917 - cases
    embedded_program: Installation,
    zone: str,
    arguments: tuple[str, ...],
    on_host: str,
    in_tehran: str,
    tip: str | None,
) -> None:
    """With the schedule for the beginning of the Tehran hour, unless the line already has it."""
    done = set_up(embedded_program, *arguments, zone=zone)
    assert done.code == 0, done.log
    assert f"2026-11-{on_host} on this host's clock, 2026-11-{in_tehran} in Tehran" in done.out
    assert ("--schedule" in done.out) == (tip is not None)
    assert (tip or "") in done.out


def test_dry_run_installs_nothing_and_claims_nothing(embedded_program: Installation, crontab: CrontabProgram) -> None:
    """The crontab stays, and the next start is conditional."""
    done = set_up(embedded_program, "--dry-run")
    assert done.code == 0, done.log
    assert crontab.table is None
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
    """A variable of the shell's environment alone, the key of a heal and the way through a proxy included."""
    program = install("checkout", CLICKHOUSE_HOST="db.example", https_proxy="http://proxy.example:3128")
    line = warnings(program.command("setup_cron"))
    assert "cron will not see CLICKHOUSE_HOST, CMC_API_KEY, CMC_BASE_URL, LOG_LEVEL, set in" in line
    heal = warnings(program.command("setup_cron", "--heal", "--dry-run"))
    assert f"CMC_API_KEY is not set where cron sees it, so every heal will fail: set it in {program.root}/.env" in heal
    assert "cron will not see CLICKHOUSE_HOST, CMC_BASE_URL, LOG_LEVEL, set in" in heal
    assert "cron will not see https_proxy: " in heal
    assert "proxy.example" not in heal


def test_setting_that_is_also_in_the_file_is_not_named(install: Callable[..., Installation]) -> None:
    """Then cron does the same as this shell."""
    program = install("checkout", CLICKHOUSE_HOST="db.example")
    given = {name: value for name, value in program.settings.items() if name != "PATH"}
    lines = [f"{name}={value}\n" for name, value in {**given, "LOG_LEVEL": "DEBUG"}.items()]
    (program.root / ".env").write_text("".join(lines))
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


@pytest.mark.parametrize(("key", "warned"), [("", 1), ("a-key", 0)])
def test_a_heal_that_can_only_fail_is_warned_of(program: Installation, key: str, warned: int) -> None:
    """Installing the daily heal without the key that it needs says so at once; it is installed all the same."""
    given = {name: value for name, value in program.settings.items() if name != "PATH"}
    in_file = {**given, "LOG_LEVEL": "DEBUG", "CMC_API_KEY": key}
    (program.root / ".env").write_text("".join(f"{name}={value}\n" for name, value in in_file.items()))
    done = program.at_clock("setup_cron", "--heal", CMC_API_KEY=key)
    assert (done.code, len(done.log.splitlines())) == (0, warned)
    assert ("CMC_API_KEY is not set" in done.log) == bool(warned)
    assert program.at_clock("setup_cron", "--dry-run", CMC_API_KEY=key).log == ""


@pytest.mark.parametrize(("arguments", "installed"), [((), "0 * * * *"), (("--heal",), "17 4 * * *")])
def test_jobs_lists_installed_lines(
    program: Installation, crontab: CrontabProgram, arguments: tuple[str, ...], installed: str
) -> None:
    """The registry, with the line that is in the crontab and the command that installs the other."""
    before = program.command("jobs")
    assert before.code == 0
    assert before.out.count(f"no: ./run.sh setup_cron {JOB}") == 2
    assert program.command("setup_cron", *arguments).code == 0
    assert b"heal" not in (crontab.table or b"") or arguments
    lines = [line for line in program.command("jobs").out.splitlines() if " yes" in line]
    assert [installed in line for line in lines] == [True]
    assert program.command("remove_cron", *arguments).code == 0
    assert crontab.table == b""

"""A fact that cannot be read is "unknown", and the command goes on."""

from __future__ import annotations

import json

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from tests.commands.test_status import command
from tests.support.installation import JOB, Installation


@pytest.mark.parametrize(("which", "place"), [("spool", f"spool/{JOB}"), ("history", f"spool/etl_runs/{JOB}")])
def test_an_unreadable_spool_is_reported(
    program: Installation, embedded: ClickHouseAdapter, database: str, which: str, place: str
) -> None:
    """``status`` and ``check`` show the rest; a run stores its prices and names the folder."""
    assert command(program, "setup_db").code == 0
    folder = program.data / place
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(folder)  # leads nowhere, for root too
    run = program.run_job()
    assert (run.code, "Traceback" in run.log) == (1 if which == "spool" else 0, False)
    assert str(folder) in run.log
    assert embedded.query(f"SELECT count() FROM {database}.crypto_prices") == [(3,)]
    unread = f"the spool {folder} cannot be read"
    shown = command(program, "status", JOB)
    assert shown.code == 1
    assert f"unknown: {unread}" in shown.out
    assert "BTC" in shown.out
    [job] = json.loads(command(program, "status", JOB, "--json").out)["jobs"]
    assert job[which] == {"waiting": None, "oldest_age_seconds": None, "damaged": None}
    assert any(unread in need for need in job["needs"])
    checked = program.command("check")
    [row] = [line for line in checked.out.splitlines() if line.startswith(f"{which} {JOB}")]
    assert (checked.code, "fail" in row) == (1, True)
    assert any(line.startswith("crontab") for line in checked.out.splitlines())


def test_an_unknown_symbol_has_its_next_step(program: Installation) -> None:
    """Beside symbols that are stored as well as alone."""
    for symbols, code in (("BTC,NOPE1", 1), ("NOPE1", 2)):
        done = program.run_job(SYMBOLS=symbols)
        told = [line for line in done.errors if "NOPE1" in line]
        assert (done.code, len(told)) == (code, 1)
        assert "give the coin's id with it (such as BTC:1)" in told[0]
        assert ".env" not in told[0]


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_retry_is_logged_as_our_own_event(program: Installation, form: str) -> None:
    """Not as the library's."""
    done = program.run_job(CLICKHOUSE_PORT="1", LOG_FORMAT=form, RUN_TIMEOUT_SECONDS="4")
    assert done.code == 1
    assert "retry scheduled" in done.log
    assert "stamina" not in done.log


@pytest.mark.parametrize("arguments", [("drop_db", "--yes"), ("verify",), ("report", "5"), ("restore", "nowhere")])
def test_quiet_commands_print_errors_only(program: Installation, arguments: tuple[str, ...]) -> None:
    """On a fresh database: nothing, or an error with its next step."""
    done = command(program, *arguments, "--quiet")
    lines = done.log.splitlines()
    assert all(line.startswith(("error: ", "next: ")) for line in lines)
    assert bool(lines) == bool(done.code)
    if arguments[0] != "report":
        assert done.out == ""

"""``status``: what it shows, its JSON, and what needs attention."""

from __future__ import annotations

import json
import math
import os
import socket
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from adapters._bases.tehran_time import from_text, tehran_text
from adapters._bases.wording import duration
from adapters.files.locks import ProcessLock
from tests.commands.test_verify import put
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, MAIN_AT, Installation
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock
from tests.support.terminal import on_a_terminal

PLAIN = {"TERM": "dumb"}


def status_of(program: Installation, code: int) -> dict[str, Any]:
    """The main job of ``status --json``, with that exit code."""
    done = program.at_clock("status", JOB, "--json")
    document = json.loads(done.out)
    assert (done.code, document["needs_person"]) == (code, code == 1)
    [job] = document["jobs"]
    assert isinstance(job, dict)
    return job


def test_a_successful_run_needs_no_attention(program: Installation) -> None:
    assert program.run_job("backfill", "48").code == program.run_job().code == 0
    done = program.at_clock("status", JOB)
    assert (done.code, done.log, "\x1b" in done.out) == (0, "", False)
    shown = [line.split() for line in done.out.splitlines() if line.startswith(("BTC", "ETH", "SOL"))]
    assert [(line[2][0] in "+-", line[3], line[6]) for line in shown] == [(True, "%", "100/100/100")] * 3
    assert "nothing needs attention" in done.out
    assert "last failure  none known" in done.out
    document = json.loads(program.at_clock("status", JOB, "--json").out)
    assert list(document) == ["schema_version", "now", "needs_person", "jobs"]
    assert document["schema_version"] == 1
    [job] = document["jobs"]
    unknown = {
        *("schedule", "next_run", "next_run_host", "next_heal", "crontab_not_known", "not_known", "running"),
        *("last_failure", "last_heal"),
    }
    assert {name for name in job if job[name] is None} == unknown
    assert job.keys() - unknown == {
        *("name", "needs", "last_success", "failures_in_a_row", "failed_heals_in_a_row", "database", "spool"),
        *("history", "symbols", "beginnings", "corrections_7d"),
    }
    assert job["database"] == {"state": "ok", "detail": ""}
    assert job["spool"] == job["history"] == {"waiting": 0, "oldest_age_seconds": None, "damaged": []}
    symbol = job["symbols"][0]
    assert set(symbol) == {
        *("symbol", "last_hour", "last_price", "change_24h", "counted_from", "coverage", "missing", "missing_hours"),
        *("without_quote_hours", "last_24_hours"),
    }
    assert symbol["coverage"]["7d"] == {"stored": 48, "expected": 48, "percent": 100.0}
    assert len(symbol["last_24_hours"]) == 25


def test_the_watch_reports_what_needs_attention(
    program: Installation, httpserver: HTTPServer, clock: SteppedClock
) -> None:
    """Printed for cron's mail, sent to the monitor and to ALERT_COMMAND; nothing while all is well or at a terminal."""
    for event in ("", "/fail"):
        httpserver.expect_request(f"/watch{event}", method="POST").respond_with_data()
    program.settings |= {
        "HEALTHCHECK_URL_STATUS": httpserver.url_for("/watch"),
        "ALERT_COMMAND": f"cat >> {program.root}/alert; echo noise",
    }
    assert program.run_job().code == 0
    assert program.at_clock("status", "--quiet")[:2] == (0, "")
    clock.advance(timedelta(hours=3))
    for arguments in (("status",), ("status", "--json")):
        assert program.at_clock(*arguments).code == 1
    on_a_terminal(program, MAIN_AT, clock().isoformat(), "status", "--quiet", code=1)
    done = program.at_clock("status", "--quiet")
    outage = "no successful run for 3 h 0 min, so no price of BTC, ETH, SOL"
    need = f"{outage}: ./run.sh cron_run {JOB}; not in the crontab: ./run.sh setup_cron {JOB}"
    assert (done.code, done.out) == (1, f"{need}\n")
    assert (program.root / "alert").read_text().splitlines() == [
        f"data-processor on {socket.gethostname()}: needs attention",
        need,
    ]
    assert program.at_clock("status", "--quiet", CLICKHOUSE_PORT="x").code == 2
    told = [(request.path, request.get_data(as_text=True).partition(":")[0]) for request, _ in httpserver.log]
    assert told == [("/watch", ""), ("/watch/fail", need.partition(":")[0]), ("/watch/fail", "CLICKHOUSE_PORT")]


@pytest.mark.parametrize(("schedule", "hours"), [("0 * * * *", 1), ("0 9,17 * * *", 16)])
def test_runs_and_prices_are_stale_after_two_intervals(
    program: Installation, clock: SteppedClock, schedule: str, hours: int
) -> None:
    assert program.at_clock("setup_cron", "--schedule", schedule).code == 0
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=2 * hours - 1, minutes=50))
    assert status_of(program, 0)["needs"] == []
    clock.advance(timedelta(hours=1, minutes=15))
    job = status_of(program, 1)
    [outage] = job["needs"]
    assert 0 <= job["last_success"]["age_seconds"] - (2 * hours * 3600 + 3900) < 30
    assert outage == (
        f"no successful run for {duration(timedelta(hours=2 * hours, minutes=65))}, so no price of BTC, ETH, SOL: "
        f"./run.sh cron_run {JOB}"
    )


def test_hours_that_stay_missing_need_attention(program: Installation, clock: SteppedClock) -> None:
    """Gaps are ranges and lower the coverage; from a day on the command that fills them is named, and works."""
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=10))
    assert program.run_job(SYMBOLS="BTC,SOL").code == 0
    clock.advance(timedelta(hours=1))
    assert program.run_job().code == 0
    bitcoin, ether, _ = status_of(program, 0)["symbols"]
    assert (ether["missing_hours"], bitcoin["missing_hours"], len(bitcoin["missing"])) == (10, 9, 1)
    assert bitcoin["coverage"]["24h"] == {"stored": 2, "expected": 11, "percent": 18.1}
    assert program.at_clock("status", JOB).out.endswith(
        "missing in 30 d:\n  2026-11-23 16:00 to 2026-11-24 00:00  BTC, ETH, SOL\n  2026-11-24 01:00"
        "                      ETH\n\nnothing needs attention\n"
    )
    clock.advance(timedelta(hours=22))
    assert program.run_job().code == 0
    program.settings["CMC_API_KEY"], key = "", program.settings["CMC_API_KEY"]
    [need] = status_of(program, 1)["needs"]
    assert need == (
        f"27 hours of BTC, ETH, SOL missing, the oldest for 1 d 8 h: set CMC_API_KEY, then ./run.sh cron_heal {JOB} 32"
    )
    program.settings["CMC_API_KEY"] = key
    assert program.run_job("heal", "32").code == 0
    assert status_of(program, 0)["needs"] == []


def test_odd_rows_hide_nothing(program: Installation, clock: SteppedClock, sql: Sql) -> None:
    """A row of a future hour does not make a symbol up to date; a price that is not finite is null."""
    assert program.run_job(SYMBOLS="BTC").code == 0
    clock.advance(timedelta(hours=4))
    assert program.run_job(SYMBOLS="SOL").code == 0
    later, now = tehran_text(clock() + timedelta(hours=1)), tehran_text(clock())
    put(sql, ("BTC", later, 1.0), ("ETH", now, math.nan))
    job = status_of(program, 1)
    assert [need.partition(":")[0] for need in job["needs"]] == [
        "no price for over 2 hours of BTC",
        "prices of ETH are far off their neighbors",
    ]
    bitcoin, ether, _ = job["symbols"]
    assert bitcoin["last_hour"] == "2026-11-23 15:00:00"
    assert (ether["last_hour"], ether["last_price"]) == ("2026-11-23 19:00:00", None)
    assert ether["last_24_hours"] == [None] * 25
    [line] = [line for line in program.at_clock("status", JOB).out.splitlines() if line.startswith("ETH")]
    assert line.split()[1] == "invalid"


def test_two_failed_runs_in_a_row_need_attention(
    program: Installation, front: ClickHouseFront, clock: SteppedClock
) -> None:
    """Their records are read from the disk while the database is down, by `runs` too; a successful run ends it."""
    assert program.at_clock("runs").out == "no runs yet: ./run.sh cron_run\n"
    assert program.run_job("backfill", "2").code == program.run_job().code == 0
    front.refuse()
    clock.advance(timedelta(seconds=1))
    assert program.run_job(RUN_TIMEOUT_SECONDS="4").code == 1
    assert status_of(program, 1)["failures_in_a_row"] == 1
    clock.advance(timedelta(seconds=1))
    assert program.run_job(RUN_TIMEOUT_SECONDS="4").code == 1
    job = status_of(program, 1)
    assert (job["database"]["state"], job["symbols"]) == ("unreachable", None)
    assert (job["failures_in_a_row"], job["history"]["waiting"], job["spool"]["waiting"]) == (2, 2, 2)
    assert "connection was refused" in job["last_failure"]["error"]
    front.listen()
    old = (clock() - timedelta(hours=2)).timestamp()
    os.utime(program.spooled[0], (old, old))
    job = status_of(program, 1)
    assert (job["failures_in_a_row"], job["database"]["state"]) == (2, "ok")
    assert [need[:23] for need in job["needs"]] == ["2 runs in a row failed,", "rows have been pending "]
    runs = json.loads(program.at_clock("runs", "--json").out)["runs"]
    assert [(run["kind"], run["status"], run["inserted"]) for run in runs[:2]] == [("run", "failed", 0)] * 2
    assert sorted((run["kind"], run["status"], run["inserted"]) for run in runs[2:]) == [
        *(("backfill", "ok", 6), ("run", "ok", 3)),
    ]
    shown = program.at_clock("runs", "1").out.splitlines()
    assert shown[1].split() == ["2026-11-23", "15:37", JOB, "run", "0", "s", "failed", "0"]
    assert shown[2:] == ["", "why, the last time of each", f"  2026-11-23 15:37  {runs[0]['error']}"]
    clock.advance(timedelta(seconds=1))
    assert program.run_job().code == 0
    job = status_of(program, 0)
    assert (job["failures_in_a_row"], job["history"]["waiting"]) == (0, 0)
    assert job["last_failure"] is not None


def test_two_failed_heals_in_a_row_need_attention(program: Installation, clock: SteppedClock) -> None:
    assert program.run_job().code == 0
    assert " heal " not in program.at_clock("status", JOB).out
    for failed in range(2):
        assert status_of(program, 0)["failed_heals_in_a_row"] == failed
        clock.advance(timedelta(seconds=1))
        assert program.run_job("heal", CMC_API_KEY="").code == 1
    job = status_of(program, 1)
    assert [need.partition(",")[0] for need in job["needs"]] == ["2 heals in a row failed"]
    assert (job["last_failure"]["kind"], job["failures_in_a_row"]) == ("heal", 0)
    lines = [line for line in program.at_clock("status", JOB).out.splitlines() if job["last_heal"]["error"] in line]
    assert [line[:14] for line in lines if ", failed (heal): " in line] == ["  last failure"]
    clock.advance(timedelta(days=8, seconds=1))
    assert program.run_job("backfill", "192").code == program.run_job().code == 0
    assert status_of(program, 0)["failed_heals_in_a_row"] == 2
    assert program.run_job("heal", "2").code == 0
    assert status_of(program, 0)["failed_heals_in_a_row"] == 0


def test_a_database_in_use_is_not_read(embedded_program: Installation, clock: SteppedClock) -> None:
    """Its user is named after a short wait, and what it holds is unknown; after two hours it needs attention."""
    assert embedded_program.run_job().code == 0
    locks = embedded_program.data / "locks" / f"{JOB}.lock", embedded_program.data / "clickhouse.lock"
    with ProcessLock(locks[0], task=JOB, clock=clock), ProcessLock(locks[1], task=f"{JOB} run", clock=clock):
        job = status_of(embedded_program, 0)
        text = embedded_program.at_clock("status", JOB).out
        clock.advance(timedelta(minutes=119))
        assert status_of(embedded_program, 0)["needs"] == []
        clock.advance(timedelta(minutes=2))
        [need] = status_of(embedded_program, 1)["needs"]
    assert job["database"]["state"] == "in use"
    assert f"{JOB} run since" in job["database"]["detail"]
    assert job["running"].startswith(f"pid {os.getpid()}, {JOB} since")
    assert (job["not_known"], job["last_success"], job["symbols"]) == ("the database is in use", None, None)
    assert text.count("unknown: the database is in use") == 2
    assert need.startswith("the database has been in use for 2 h 1 min: ")
    assert f"pid {os.getpid()}, {JOB} run since" in need


def test_the_crontab_is_shown_in_both_time_zones(program: Installation, clock: SteppedClock) -> None:
    """The schedule is in the host's time; a heal that has not run yet has a line of its own."""
    assert program.at_clock("setup_cron", "--schedule", "30 2 * * *").code == 0
    clock.advance(timedelta(seconds=1))
    assert program.at_clock("setup_cron", "--heal").code == 0
    assert program.run_job().code == 0
    done = program.at_clock("status", JOB, TZ="America/New_York")
    [line] = [line for line in done.out.splitlines() if line.startswith("  next run")]
    assert " 02:30 on this host (E" in line
    assert line.endswith(" in Tehran (30 2 * * *)")
    assert "  last heal     none known\n  next heal " in done.out
    job = status_of(program, 0)
    assert job["schedule"] == "30 2 * * *"
    assert from_text(job["next_run"]) == datetime.fromisoformat(job["next_run_host"])
    assert from_text(job["next_heal"]) > clock()
    assert list(job["last_success"]) == ["run_id", "kind", "at", "age_seconds", "error"]
    assert (job["last_success"]["kind"], job["last_success"]["at"]) == ("run", "2026-11-23 15:37:10")


def test_a_screenful_shows_the_worst_symbols_first(program: Installation) -> None:
    many = {"SYMBOLS": ",".join(["ETH", "SOL", *(f"X{number}:{number}" for number in range(100_001, 100_061)), "BTC"])}
    assert program.run_job().code == 0
    arguments = (MAIN_AT, program.clock().isoformat(), "status", JOB)
    short = on_a_terminal(program, *arguments, lines=60, code=1, settings=PLAIN | many).splitlines()
    everything = on_a_terminal(program, *arguments, "--all", lines=60, code=1, settings=PLAIN | many).splitlines()
    piped = program.at_clock("status", JOB, **many).out.splitlines()
    assert [sum(line.startswith("X") for line in lines) for lines in (short, everything, piped)] == [44, 60, 60]
    assert not any(line.startswith(("BTC", "ETH", "SOL")) for line in short)
    assert [any("19 symbols hidden" in line for line in lines) for lines in (short, everything, piped)] == [
        *(True, False, False),
    ]


def test_everything_is_shown_on_a_terminal(program: Installation, source: FaultySource, clock: SteppedClock) -> None:
    for hours in (3, 4, 5):
        assert program.run_job().code == 0
        clock.advance(timedelta(hours=hours))
    source.faults.push(faults.refused(1003), path="/quotes/latest")
    assert program.run_job().code == 1
    reason = status_of(program, 1)["last_failure"]["error"]
    arguments = (MAIN_AT, clock().isoformat(), "status", JOB)
    for columns in (60, 80):
        drawn = on_a_terminal(program, *arguments, columns=columns, code=1, settings=PLAIN)
        lines = [line.rstrip() for line in drawn.splitlines()]
        assert [line for line in lines if len(line) > columns and not line.startswith(("  - ", "stored:"))] == []
        assert reason in " ".join(drawn.split())
        assert "2026-11-23 16:00 to 2026-11-23 17:00" in " ".join(drawn.split())
    [bitcoin] = [line.split() for line in lines if line.startswith("BTC")]
    assert [len(bitcoin), len(bitcoin[-1])] == [7, 13]


@pytest.mark.parametrize(("which", "place"), [("spool", f"spool/{JOB}"), ("history", f"spool/etl_runs/{JOB}")])
def test_an_unreadable_spool_is_reported(program: Installation, sql: Sql, which: str, place: str) -> None:
    assert program.at_clock("setup_db").code == 0
    folder = program.data / place
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(folder)  # leads nowhere, for root too
    run = program.run_job()
    assert (run.code, "Traceback" in run.log) == (1 if which == "spool" else 0, False)
    assert str(folder) in run.log
    assert sql("SELECT count() FROM crypto.crypto_prices") == [(3,)]
    unread = f"the spool {folder} cannot be read"
    shown = program.at_clock("status", JOB)
    assert shown.code == 1
    assert f"unknown: {unread}" in shown.out
    assert "BTC" in shown.out
    [job] = json.loads(program.at_clock("status", JOB, "--json").out)["jobs"]
    assert job[which] == {"waiting": None, "oldest_age_seconds": None, "damaged": None}
    assert any(unread in need for need in job["needs"])
    checked = program.command("check")
    [row] = [line for line in checked.out.splitlines() if line.startswith(f"{which} {JOB}")]
    assert (checked.code, "fail" in row) == (1, True)
    assert any(line.startswith("crontab") for line in checked.out.splitlines())

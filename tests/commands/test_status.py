"""``status``: what it shows, its JSON, and when it says that a person is needed."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.tehran_time import from_text, tehran_text
from adapters.files.locks import ProcessLock
from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.crontab_program import CrontabProgram
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, Finished, Installation
from tests.support.stepped_clock import SteppedClock
from tests.support.terminal import on_a_terminal

PLAIN = {"TERM": "dumb"}
MAIN_AT = str(Path(__file__).parents[1] / "support" / "main_at.py")


def command(program: Installation, *arguments: str, **settings: str) -> Finished:
    """Run an operator's command at the time that the program's clock shows."""
    return program.start(MAIN_AT, program.clock().isoformat(), *arguments, **settings).ended()


def status_of(program: Installation, code: int) -> dict[str, Any]:
    """The main job of ``status --json``, which ends with that exit code."""
    done = command(program, "status", JOB, "--json")
    document = json.loads(done.out)
    assert (done.code, document["needs_person"]) == (code, code == 1)
    [job] = document["jobs"]
    assert isinstance(job, dict)
    return job


def test_all_is_well_after_a_run(program: Installation) -> None:
    """Last success, prices and coverage of each symbol; nothing needs attention: exit code 0."""
    assert program.run_job("backfill", "48").code == 0
    assert program.run_job().code == 0
    done = command(program, "status", JOB)
    assert (done.code, done.log) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    shown = {line[0]: line for line in lines if line and line[0] in {"BTC", "ETH", "SOL"}}
    assert [line[6:8] for line in shown.values()] == [["100/100/100", "%"]] * 3
    assert all(line[3] == "%" and line[2][0] in "+-" for line in shown.values())
    assert all(len(line[8]) == 25 for line in shown.values())
    assert "nothing needs attention" in done.out
    assert "last failure  none known" in done.out
    assert "\x1b" not in done.out


def test_the_json_keeps_its_schema(program: Installation) -> None:
    """Machines find the same names and kinds of values in schema version 1."""
    assert program.run_job("backfill", "3").code == 0
    done = command(program, "status", JOB, "--json")
    document = json.loads(done.out)
    assert list(document) == ["schema_version", "now", "needs_person", "jobs"]
    assert document["schema_version"] == 1
    [job] = document["jobs"]
    assert {name: type(value).__name__ for name, value in job.items()} == {
        "name": "str",
        "needs": "list",
        "last_success": "NoneType",
        "last_failure": "NoneType",
        "last_heal": "NoneType",
        "not_known": "NoneType",
        "failures_in_a_row": "int",
        "failed_heals_in_a_row": "int",
        "schedule": "NoneType",
        "next_run": "NoneType",
        "next_run_host": "NoneType",
        "crontab_not_known": "NoneType",
        "next_heal": "NoneType",
        "running": "NoneType",
        "database": "dict",
        "spool": "dict",
        "history": "dict",
        "symbols": "list",
    }
    assert job["database"] == {"state": "ok", "detail": ""}
    assert job["spool"] == job["history"] == {"waiting": 0, "oldest_age_seconds": None, "damaged": []}
    symbol = job["symbols"][0]
    assert list(symbol) == [
        "symbol",
        "last_hour",
        "last_price",
        "change_24h",
        "counted_from",
        "coverage",
        "missing",
        "missing_hours",
        "without_quote_hours",
        "last_24_hours",
    ]
    assert symbol["coverage"]["30d"] == {"stored": 3, "expected": 3, "percent": 100.0}
    assert len(symbol["last_24_hours"]) == 25


def test_nothing_yet_needs_a_person(embedded_program: Installation) -> None:
    """Before the first run there is no database to open, and none is made: exit code 1, with the next step."""
    job = status_of(embedded_program, 1)
    assert job["database"]["state"] == "empty"
    assert job["needs"] == [f"no good run yet: ./run.sh cron_run {JOB}"]
    assert not (embedded_program.data / "clickhouse").exists()


def test_a_run_of_three_hours_ago_is_stale(program: Installation, clock: SteppedClock) -> None:
    """No good run for over two hours, and prices as old: exit code 1."""
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=3, minutes=5))
    job = status_of(program, 1)
    assert 3 * 3600 + 300 <= job["last_success"]["age_seconds"] < 3 * 3600 + 330
    assert job["needs"][0].startswith("no good run for 3 h ")
    assert job["needs"][1].startswith("no price for over 2 hours of BTC, ETH, SOL")


def test_a_run_of_less_than_two_hours_ago_is_not(program: Installation, clock: SteppedClock) -> None:
    """One turn missed is not worth a call yet."""
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=1, minutes=50))
    assert status_of(program, 0)["needs"] == []


def test_missing_hours_are_shown_as_ranges(program: Installation, clock: SteppedClock) -> None:
    """Gaps are ranges of hours, and lower the coverage."""
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=10))
    assert program.run_job().code == 0
    symbol = status_of(program, 0)["symbols"][0]
    assert symbol["coverage"]["24h"] == {"stored": 1, "expected": 10, "percent": 10.0}
    assert symbol["missing_hours"] == 9
    assert len(symbol["missing"]) == 1


def test_hours_that_stay_missing_need_attention(program: Installation, clock: SteppedClock) -> None:
    """From a day on, with the command that fills them; once it has, all is well."""
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=10))
    assert program.run_job(SYMBOLS="BTC,SOL").code == 0
    clock.advance(timedelta(hours=1))
    assert program.run_job().code == 0
    assert status_of(program, 0)["symbols"][1]["missing_hours"] == 10
    clock.advance(timedelta(hours=22))
    assert program.run_job().code == 0
    assert status_of(program, 1)["needs"] == [
        f"27 hours of BTC, ETH, SOL missing, the oldest for 1 d 8 h: ./run.sh cron_heal {JOB} 32"
    ]
    assert program.run_job("heal", "32").code == 0
    assert status_of(program, 0)["needs"] == []


def test_missing_hours_without_a_key_name_the_key_first(program: Installation, clock: SteppedClock) -> None:
    """No heal works without it."""
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=26))
    assert program.run_job().code == 0
    program.settings["CMC_API_KEY"] = ""
    [need] = status_of(program, 1)["needs"]
    assert need.endswith(f": set CMC_API_KEY, then ./run.sh cron_heal {JOB} 25")


def test_a_row_of_an_hour_to_come_hides_nothing(
    program: Installation, clock: SteppedClock, embedded: ClickHouseAdapter, database: str
) -> None:
    """A symbol whose last price is old stays stale, whatever somebody stored under a later hour."""
    assert program.run_job(SYMBOLS="BTC").code == 0
    clock.advance(timedelta(hours=4))
    assert program.run_job(SYMBOLS="ETH,SOL").code == 0
    later = tehran_text(clock() + timedelta(hours=1))
    embedded.command(f"INSERT INTO {database}.crypto_prices (symbol, fetched_at, price) VALUES ('BTC', '{later}', 1)")
    job = status_of(program, 1)
    assert [need.partition(":")[0] for need in job["needs"]] == ["no price for over 2 hours of BTC"]
    assert job["symbols"][0]["last_hour"] == "2026-11-23 15:00:00"


@pytest.mark.parametrize("price", ["nan", "inf", "-inf"])
def test_a_price_that_is_no_number_is_not_known(
    program: Installation, clock: SteppedClock, embedded: ClickHouseAdapter, database: str, price: str
) -> None:
    """Somebody stored it past the program: text and JSON go on, the hour counts, its price is null."""
    assert program.run_job(SYMBOLS="ETH").code == 0
    embedded.command(
        f"INSERT INTO {database}.crypto_prices (symbol, fetched_at, price) "
        f"VALUES ('BTC', '{tehran_text(clock())}', {price})"
    )
    symbols = {one["symbol"]: one for one in status_of(program, 1)["symbols"]}
    assert (symbols["BTC"]["last_hour"], symbols["BTC"]["last_price"]) == ("2026-11-23 15:00:00", None)
    assert symbols["BTC"]["last_24_hours"] == [None] * 25
    [line] = [line for line in command(program, "status", JOB).out.splitlines() if line.startswith("BTC")]
    assert "no number" in line


def test_two_failures_in_a_row_need_a_person(
    program: Installation, front: ClickHouseFront, clock: SteppedClock
) -> None:
    """A database that is down: the failed runs wait on the disk, and status shows them although it cannot be asked."""
    assert program.run_job().code == 0
    front.refuse()
    clock.advance(timedelta(seconds=1))
    assert program.run_job().code == 1
    assert status_of(program, 1)["failures_in_a_row"] == 1
    clock.advance(timedelta(seconds=1))
    assert program.run_job().code == 1
    job = status_of(program, 1)
    assert job["database"]["state"] == "unreachable"
    assert job["symbols"] is None
    assert (job["failures_in_a_row"], job["history"]["waiting"], job["spool"]["waiting"]) == (2, 2, 2)
    assert "connection was refused" in job["last_failure"]["error"]
    front.listen()
    job = status_of(program, 1)
    assert (job["failures_in_a_row"], job["database"]["state"]) == (2, "ok")
    assert [line[:23] for line in job["needs"]] == ["2 runs in a row failed,"]
    clock.advance(timedelta(seconds=1))
    assert program.run_job().code == 0
    job = status_of(program, 0)
    assert (job["failures_in_a_row"], job["history"]["waiting"]) == (0, 0)
    assert job["last_failure"] is not None


def test_two_failed_heals_in_a_row_need_a_person(program: Installation, clock: SteppedClock) -> None:
    """However good the hourly runs are; a good heal, or a week without any, ends it."""
    assert program.run_job().code == 0
    for failed in range(2):
        assert status_of(program, 0)["failed_heals_in_a_row"] == failed
        clock.advance(timedelta(seconds=1))
        assert program.run_job("heal", CMC_API_KEY="").code == 1
    [need] = status_of(program, 1)["needs"]
    assert need.startswith("2 heals in a row failed, the last one because a heal needs a key")
    clock.advance(timedelta(days=8, seconds=1))
    assert program.run_job("backfill", "192").code == program.run_job().code == 0
    assert status_of(program, 0)["failed_heals_in_a_row"] == 2
    assert program.run_job("heal", "2").code == 0
    assert status_of(program, 0)["failed_heals_in_a_row"] == 0


def test_failed_runs_are_told_with_their_own_reason(
    program: Installation, source: FaultySource, clock: SteppedClock
) -> None:
    """A heal that failed later, for another reason, is not why the hourly runs failed."""
    for _ in range(2):
        source.faults.push(faults.null_price(1), path="/quotes/latest")
        assert program.run_job(SYMBOLS="BTC:1").code == 1
        clock.advance(timedelta(seconds=1))
    assert program.run_job("heal", CMC_API_KEY="").code == 1
    job = status_of(program, 1)
    assert "2 runs in a row failed, the last one because CoinMarketCap gave no valid price" in job["needs"]
    assert job["last_failure"]["kind"] == "heal"


@pytest.mark.parametrize(("schedule", "hours"), [("0 */6 * * *", 6), ("0 9,17 * * *", 16)])
def test_a_job_that_is_not_hourly_is_stale_after_two_of_its_turns(
    program: Installation, clock: SteppedClock, schedule: str, hours: int
) -> None:
    """Runs and prices alike: between the turns of its own schedule nothing is missed."""
    assert command(program, "setup_cron", "--schedule", schedule).code == 0
    assert program.run_job().code == 0
    clock.advance(timedelta(hours=2 * hours - 1))
    assert status_of(program, 0)["needs"] == []
    clock.advance(timedelta(hours=2))
    [run, price] = status_of(program, 1)["needs"]
    assert run.startswith("no good run for ")
    assert price.startswith(f"no price for over {2 * hours} hours of BTC, ETH, SOL")


def test_rows_that_wait_for_over_an_hour_need_a_person(
    program: Installation, front: ClickHouseFront, clock: SteppedClock
) -> None:
    """A spool older than an hour is not emptied by itself."""
    assert program.run_job().code == 0
    front.refuse()
    assert program.run_job().code == 1
    front.listen()
    old = (clock() - timedelta(hours=2)).timestamp()
    os.utime(program.spooled[0], (old, old))
    assert [line[:35] for line in status_of(program, 1)["needs"]] == ["rows wait in the spool for 2 h 0 mi"]


def test_a_damaged_spool_file_needs_a_person(program: Installation) -> None:
    """What was set aside waits for somebody to look at it."""
    assert program.run_job().code == 0
    rejected = program.data / "spool" / JOB / "rejected"
    rejected.mkdir(parents=True)
    (rejected / "0000000001-0000.spool").write_text("?")
    assert status_of(program, 1)["needs"][0].startswith("damaged rows: see ")


def test_a_running_job_is_named(embedded_program: Installation, clock: SteppedClock) -> None:
    """While a job has the embedded engine, status says who after a short wait, and judges by the files alone."""
    assert embedded_program.run_job().code == 0
    locks = embedded_program.data / "locks" / f"{JOB}.lock", embedded_program.data / "clickhouse.lock"
    with ProcessLock(locks[0], task=JOB, clock=clock), ProcessLock(locks[1], task=f"{JOB} run", clock=clock):
        job = status_of(embedded_program, 0)
    assert job["database"]["state"] == "in use"
    assert f"{JOB} run since" in job["database"]["detail"]
    assert job["running"].startswith(f"pid {os.getpid()}, {JOB} since")


def test_what_cannot_be_read_is_not_called_none(embedded_program: Installation, clock: SteppedClock) -> None:
    """While the engine is in use, the last runs are not known: text and JSON say so, and name the reason."""
    assert embedded_program.run_job().code == 0
    with ProcessLock(embedded_program.data / "clickhouse.lock", task=f"{JOB} backfill", clock=clock):
        text = command(embedded_program, "status", JOB).out
        job = status_of(embedded_program, 0)
    assert text.count("not known: the database is in use") == 2
    assert "none known" not in text
    assert (job["not_known"], job["last_success"], job["symbols"]) == ("the database is in use", None, None)
    assert status_of(embedded_program, 0)["not_known"] is None


@pytest.mark.parametrize(("minutes", "code"), [(119, 0), (121, 1)])
def test_a_database_that_stays_in_use_needs_a_person(
    embedded_program: Installation, clock: SteppedClock, minutes: int, code: int
) -> None:
    """Whoever keeps it for longer than a run may be old is named: a monitor does not stay green meanwhile."""
    assert embedded_program.command("setup_db").code == 0
    with ProcessLock(embedded_program.data / "clickhouse.lock", task=f"{JOB} backfill", clock=clock):
        clock.advance(timedelta(minutes=minutes))
        needs = status_of(embedded_program, code)["needs"]
    assert [need.partition(":")[0] for need in needs] == ["the database has been in use for 2 h 1 min"] * code
    assert all(f"pid {os.getpid()}, {JOB} backfill since" in need for need in needs)


def test_the_next_run_is_told_in_both_zones(program: Installation, crontab: CrontabProgram) -> None:
    """The crontab's schedule is the host's time; people also want Tehran's."""
    assert command(program, "setup_cron", "--schedule", "30 2 * * *").code == 0
    assert crontab.table is not None
    done = command(program, "status", JOB, TZ="America/New_York")
    [line] = [line for line in done.out.splitlines() if line.startswith("  next run")]
    assert " 02:30 on this host (E" in line
    assert line.endswith(" in Tehran (30 2 * * *)")


def test_heals_are_shown(program: Installation, clock: SteppedClock) -> None:
    """The last one, however it ended, and the next one if its line is installed; nothing of a job without heals."""
    assert program.run_job().code == 0
    assert " heal " not in command(program, "status", JOB).out
    assert command(program, "setup_cron", "--heal").code == 0
    assert "  last heal     none known\n  next heal " in command(program, "status", JOB).out
    assert program.run_job("heal", "2", CMC_API_KEY="").code == 1
    job = status_of(program, 0)
    assert job["last_heal"]["at"] == "2026-11-23 15:37:09"
    assert job["last_heal"]["error"].startswith("a heal needs a key")
    assert from_text(job["next_heal"]) > clock()
    assert f"({job['last_heal']['kind']}): {job['last_heal']['error']}\n" in command(program, "status", JOB).out


def test_values_of_the_json_are_as_documented(program: Installation, front: ClickHouseFront) -> None:
    """Runs with their id, kind, Tehran time, age and error; next turns in Tehran's time and the host's."""
    for arguments in ((), ("--heal",)):
        assert program.command("setup_cron", *arguments).code == 0
    assert program.run_job().code == 0
    front.refuse()
    assert program.run_job().code == 1
    front.listen()
    job = status_of(program, 0)
    success, failure = job["last_success"], job["last_failure"]
    assert list(success) == list(failure) == ["run_id", "kind", "at", "age_seconds", "error"]
    assert (success["kind"], success["at"], success["error"]) == ("run", "2026-11-23 15:37:09", "")
    assert (failure["kind"], failure["at"]) == ("run", "2026-11-23 15:37:09")
    assert "connection was refused" in failure["error"]
    assert 0 <= success["age_seconds"] < 60
    assert success["run_id"] != failure["run_id"]
    assert job["schedule"] == "0 * * * *"
    assert from_text(job["next_run"]) == datetime.fromisoformat(job["next_run_host"])
    assert from_text(job["next_heal"]) > program.clock()


def test_beyond_a_screenful_the_worst_come_first(program: Installation) -> None:
    """Of many symbols a terminal shows those that miss most, and how many it hides; --all shows each."""
    many = {"SYMBOLS": ",".join(["ETH", "SOL", *(f"X{number}:{number}" for number in range(100_001, 100_061)), "BTC"])}
    assert program.run_job().code == 0
    arguments = (MAIN_AT, program.clock().isoformat(), "status", JOB)
    short = on_a_terminal(program, *arguments, lines=60, code=1, settings=PLAIN | many).splitlines()
    everything = on_a_terminal(program, *arguments, "--all", lines=60, code=1, settings=PLAIN | many).splitlines()
    assert sum(line.startswith("X") for line in everything) == 60
    assert sum(line.startswith("X") for line in short) == 44
    assert not any(line.startswith(("BTC", "ETH", "SOL")) for line in short)
    assert "19 symbols are hidden, the worst are shown first; --all shows every one" in short


def test_without_a_terminal_no_symbol_is_hidden(program: Installation) -> None:
    """Whoever looks for one among many, such as by ``grep``, finds it, in one line."""
    many = {"SYMBOLS": ",".join([*(f"X{number}:{number}" for number in range(100_001, 100_101)), "BTC"])}
    assert program.run_job().code == 0
    lines = command(program, "status", JOB, **many).out.splitlines()
    assert sum(line.startswith(("X", "BTC")) for line in lines) == 101
    assert not any("hidden" in line for line in lines)


@pytest.mark.parametrize(("columns", "trend"), [(60, 0), (80, 12), (120, 25), (220, 25)])
def test_the_table_fits_the_terminal(
    program: Installation, source: FaultySource, clock: SteppedClock, columns: int, trend: int
) -> None:
    """A symbol is one line, its sparkline as long as there is room; its gaps go below where they do not fit."""
    for hours in (3, 4, 5):
        assert program.run_job().code == 0
        clock.advance(timedelta(hours=hours))
    source.faults.push(faults.refused(1003), path="/quotes/latest")
    assert program.run_job().code == 1
    arguments = (MAIN_AT, clock().isoformat(), "status", JOB)
    lines = on_a_terminal(program, *arguments, columns=columns, code=1, settings=PLAIN).splitlines()
    assert [len(line) for line in lines if len(line) > columns and not line.startswith("  - ")] == []
    [bitcoin] = [line.split() for line in lines if line.startswith("BTC")]
    assert [len(word) for word in bitcoin[7:8]] == [trend] * bool(trend)
    assert ("24h change" in " ".join(lines)) == (columns > 60)
    gap = "2026-11-23 16:00 to 2026-11-23 17:00"
    [first] = [line for line in lines if gap in line][:1]
    assert first.startswith("BTC" if columns == 220 else "  BTC")
    failure = next(number for number, line in enumerate(lines) if line.startswith("  last failure"))
    assert "…" in lines[failure + 1] or columns > 100


def test_a_failure_is_told_whole_where_there_is_no_terminal(program: Installation, source: FaultySource) -> None:
    """What a terminal cuts short is one whole line in a pipe."""
    source.faults.push(faults.refused(1003), path="/quotes/latest")
    assert program.run_job().code == 1
    reason = status_of(program, 1)["last_failure"]["error"]
    assert len(reason) > 80
    assert f"(run): {reason}\n" in command(program, "status", JOB).out


@pytest.mark.parametrize(("key", "warned"), [("", 1), ("a-key", 0)])
def test_a_heal_that_can_only_fail_is_warned_of(program: Installation, key: str, warned: int) -> None:
    """Installing the daily heal without the key that it needs says so at once; it is installed all the same."""
    given = {name: value for name, value in program.settings.items() if name != "PATH"}
    in_file = {**given, "LOG_LEVEL": "DEBUG", "CMC_API_KEY": key}
    (program.root / ".env").write_text("".join(f"{name}={value}\n" for name, value in in_file.items()))
    done = command(program, "setup_cron", "--heal", CMC_API_KEY=key)
    assert (done.code, len(done.log.splitlines())) == (0, warned)
    assert ("CMC_API_KEY is not set" in done.log) == bool(warned)
    assert command(program, "setup_cron", "--dry-run", CMC_API_KEY=key).log == ""


def test_an_unknown_job_is_a_usage_error(program: Installation) -> None:
    """Exit code 2, and the jobs there are."""
    done = command(program, "status", "nope")
    assert (done.code, done.out) == (2, "")
    assert JOB in done.log


@pytest.mark.parametrize(("arguments", "installed"), [((), "0 * * * *"), (("--heal",), "17 4 * * *")])
def test_jobs_tells_what_is_installed(
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

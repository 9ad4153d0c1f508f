"""The command line that cron calls: what is refused before anything begins, and how few round trips a run makes."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crons.job import Request
from crons.registry import JOBS
from crons.run import execute, main
from main import app
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.settings import make_settings
from tests.support.stepped_clock import SteppedClock

JOB = "cmc_hourly_prices"
NOW = datetime(2026, 11, 23, 12, 0, 7, tzinfo=timezone.utc)
MOST_ROUND_TRIPS = 9


@pytest.mark.parametrize("arguments", [[], ["--quiet"], ["heal", "5"], ["backfill", "5"]])
def test_unknown_job_is_refused_with_the_known_ones(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no_such_job", *arguments]) == 2
    log = capsys.readouterr().err
    assert "no_such_job" in log
    assert all(name in log for name in JOBS)


@pytest.mark.parametrize(
    ("words", "job", "says"),
    [
        ("", JOB, "give either HOURS or --from"),
        ("99999999", JOB, "these are 99,999,999 hours"),
        ("other", "other", "unknown job 'other'"),
        ("other 24", "other", "unknown job 'other'"),
    ],
)
def test_job_and_hours_may_be_left_out(words: str, job: str, says: str) -> None:
    done = CliRunner().invoke(app, ["cron_backfill", *words.split()])
    assert done.exit_code == 2
    assert says in done.stderr
    assert f"job={job}" in done.stderr.split()


@pytest.mark.parametrize(
    "arguments",
    [
        "backfill 0", "backfill -1", "backfill 1.5", "backfill x", "heal 0", "heal x", "heal 1 2", "heal --symbols BTC",
        "heal --max-credits -1", "heal --max-credits x", "--bogus", "backfill --all 5", "other",
    ],
)  # fmt: skip
def test_wrong_usage_is_refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([JOB, *arguments.split()]) == 2
    assert "Usage: ./run.sh cron_" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either HOURS or --from"),
        (["5", "--from", "2026-11-01"], "give either HOURS or --from"),
        (["5", "--to", "2026-11-01"], "--to without --from"),
        (["--from", "2026-11-24"], "no past hour from 2026-11-24 to now"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "no hour from 2026-11-02 to 2026-11-01"),
        (["--from", "2006-11-02"], "before 2009"),
        (["--from", "1404-12-30"], "'1404-12-30' does not exist"),
        (["99999999"], "hours"),
        (["--from", "soon"], "'soon' is not a day or an hour"),
        (["5", "--symbols", " btc,nope"], "NOPE"),
        (["--symbols", " , ", "5"], "--symbols is empty"),
    ],
)
def test_meaningless_backfill_is_refused(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYMBOLS", "BTC,ETH")
    assert main([JOB, "backfill", *arguments], clock=lambda: NOW) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line
    assert "next=" in line


@pytest.mark.parametrize("form", ["json", "console", "odd"])
def test_wrong_settings_are_logged_in_the_form_of_the_log(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"LOG_FORMAT": form, "CLICKHOUSE_PORT": "0", "SYMBOLS": ""}.items():
        monkeypatch.setenv(name, value)
    assert main([JOB], clock=lambda: NOW) == 2
    lines = capsys.readouterr().err.splitlines()
    for variable in ("CLICKHOUSE_PORT: ", "SYMBOLS: ", *(["LOG_FORMAT: "] if form == "odd" else [])):
        [line] = [line for line in lines if variable in line]
        assert ("2026-11-23T15:30:07+03:30" if form == "json" else "2026-11-23 15:30:07") in line
        assert "error" in line
        assert JOB in line
        assert form != "json" or json.loads(line)["event"].startswith(variable)


@pytest.mark.parametrize("changes", ["", "insert"])
def test_repeated_run_makes_few_round_trips(
    changes: str, front: ClickHouseFront, database: str, tmp_path: Path
) -> None:
    """In an hour that is stored, and in the next hour; the driver's handshake included."""
    clock = SteppedClock(NOW)
    with FaultySource(clock=clock) as source:
        settings = make_settings(
            **front.variables(database),
            clickhouse_changes=changes,
            cmc_api_key=source.key,
            cmc_base_url=source.base_url,
            data_path=tmp_path,
        )
        reports = []
        for now in (NOW, NOW.replace(minute=20), NOW.replace(hour=13)):
            clock.now = now
            front.statements.clear()
            reports.append(execute(Request(JOB), JOBS[JOB], settings, clock))
            assert len(front.statements) <= MOST_ROUND_TRIPS or len(reports) == 1
    assert reports[1].updated == 3

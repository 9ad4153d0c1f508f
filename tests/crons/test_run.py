"""The command line that cron calls: what is refused before anything begins."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from crons.registry import JOBS
from crons.run import main

JOB = "cmc_hourly_prices"


def test_an_unknown_job_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and every job's name."""
    assert main(["no_such_job"]) == 2
    told = capsys.readouterr().err
    assert "no_such_job" in told
    assert all(name in told for name in JOBS)


@pytest.mark.parametrize("hours", ["0", "-1", "1.5", "x", "", "99999999"])
def test_hours_that_are_no_number_are_refused(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2; a backfill needs a whole number of hours, one or more."""
    with pytest.raises(SystemExit) as ended:
        main([JOB, "backfill", hours])
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """What a scheduler needs to know stands in the help."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    for words in (
        "0 done",
        "1 failed, or something needs attention",
        "2 usage or configuration",
        "75 another run holds the lock",
    ):
        assert words in told


@pytest.mark.parametrize("form", ["json", "console", "odd"])
def test_wrong_settings_are_told_in_the_form_of_the_log(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and a line for each wrong variable with time, level and job; a wrong form is told in the default one."""
    monkeypatch.setenv("LOG_FORMAT", form)
    monkeypatch.setenv("CLICKHOUSE_PORT", "0")
    monkeypatch.setenv("SYMBOLS", "")
    assert main([JOB], clock=lambda: datetime(2026, 11, 23, 12, 0, 7, tzinfo=timezone.utc)) == 2
    lines = capsys.readouterr().err.splitlines()
    for variable in ("CLICKHOUSE_PORT: ", "SYMBOLS: ", *(["LOG_FORMAT: "] if form == "odd" else [])):
        [line] = [line for line in lines if variable in line]
        assert ("2026-11-23T15:30:07+03:30" if form == "json" else "2026-11-23 15:30:07") in line
        assert "error" in line
        assert JOB in line
        assert form != "json" or json.loads(line)["event"].startswith(variable)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give either HOURS or --from"),
        (["5", "--from", "2026-11-01"], "give either HOURS or --from"),
        (["5", "--to", "2026-11-01"], "--to without --from"),
        (["--from", "2026-11-24"], "there is no past hour from 2026-11-24 to now"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "there is no past hour from 2026-11-02 to 2026-11-01"),
        (["--from", "2006-11-02"], "hours"),
        (["--from", "soon"], "'soon' is not a day or an hour"),
        (["5", "--symbols", "BTC,NOPE"], "NOPE"),
    ],
)
def test_a_backfill_that_cannot_be_meant_is_refused(
    arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with the next step, before anything is asked or locked."""
    monkeypatch.setenv("SYMBOLS", "BTC,ETH")
    now = datetime(2026, 11, 23, 12, 0, 7, tzinfo=timezone.utc)
    assert main([JOB, "backfill", *arguments], clock=lambda: now) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert says in line
    assert "next=" in line

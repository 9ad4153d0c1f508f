"""The log: one line an event, in Tehran time, with no secret in it; and what it looks like at a terminal."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from configurations.logs import next_step, rotate_log, set_up_logging, terminal_lines
from tests.support.process import SRC
from tests.support.settings import make_settings

NOW = datetime(2026, 11, 23, 12, 0, 7, tzinfo=timezone.utc)
SECRET = "k-3c1f"


@pytest.fixture(autouse=True)
def _former_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def set_up(form: str = "json", level: str = "INFO", secret: str = SECRET) -> None:
    """Logging at the fixed time, with one secret."""
    settings = make_settings(log_level=level, log_format=form, clickhouse_password=secret)
    set_up_logging(settings, clock=lambda: NOW)
    structlog.contextvars.bind_contextvars(job="j", run="r1")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_is_logged(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(form, "DEBUG")
    log = structlog.get_logger()
    log.debug(f"key {SECRET}", key=SECRET, inner={"a": [f"x{SECRET}x"]}, other=Path(SECRET))  # noqa: G004 - the point
    logging.getLogger("some.library").error("refused %s", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("failed")
    text = capsys.readouterr().err
    assert SECRET not in text
    assert text.count("***") >= 6


def test_list_is_logged_as_one_and_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """Its text would escape some letters of a secret, which then would not be found."""
    set_up(secret="a\\b'c")
    structlog.get_logger().info("x", found=["one", "is a\\b'c"], empty=[])
    line = json.loads(capsys.readouterr().err)
    assert (line["found"], line["empty"]) == (["one", "is ***"], [])


def test_http_libraries_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level="DEBUG")
    for name in ("httpx", "httpcore.http11"):
        logging.getLogger(name).info("GET https://example.org/?secret=1")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("secret", "shown"), [("a", "data pw b"), ("pw", "data *** b"), ("data", "*** pw b")])
def test_short_secret_is_masked_as_a_word_only(secret: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A password of a letter would otherwise make every line unreadable."""
    set_up(secret=secret)
    structlog.get_logger().info("x", found="data pw b")
    assert json.loads(capsys.readouterr().err)["found"] == shown


ROTATING = """
import sys
from pathlib import Path
from configurations.logs import rotate_log
print("before", flush=True)
rotate_log(Path(sys.argv[1]))
print("after", flush=True)
"""


def run_appending_to(log: Path) -> None:
    command = [sys.executable, "-c", ROTATING, str(log)]
    with log.open("ab") as output:
        subprocess.run(command, stdout=output, stderr=output, env={"PYTHONPATH": str(SRC)}, check=True)


def test_large_log_is_rotated(tmp_path: Path) -> None:
    """The last three are kept."""
    log = tmp_path / "cron.log"
    for number in range(5):
        log.write_bytes(b"%d" % number + bytes(5_000_000))
        run_appending_to(log)
    assert log.read_text() == "after\n"
    older = [tmp_path / f"cron.log.{number}" for number in (1, 2, 3)]
    assert [(path.read_bytes()[:1], path.read_text()[-8:]) for path in older] == [
        (digit, "\0before\n") for digit in (b"4", b"3", b"2")
    ]
    assert sorted(tmp_path.iterdir()) == [log, *older]


def test_small_or_foreign_log_is_not_rotated(tmp_path: Path) -> None:
    """A run at a terminal must not move cron's log."""
    log = tmp_path / "cron.log"
    run_appending_to(log)
    log.write_bytes(bytes(5_000_000))
    for path in (log, tmp_path / "absent"):
        rotate_log(path)
    assert list(tmp_path.iterdir()) == [log]


HEAD: dict[str, Any] = {"timestamp": "2026-11-23 15:30:07", "job": "cmc_hourly_prices", "run": "bc76aa1a1f01"}


def rendered(level: str = "info", *, width: int = 80, colors: bool = False, **event: Any) -> list[str]:
    return terminal_lines({**HEAD, "level": level, **event}, width, colors=colors).splitlines()


def test_line_has_its_first_three_facts() -> None:
    facts: dict[str, Any] = {"what": "3 updated", "rejected": 0, "others": [], "credits": 1, "calls": 2, "extracted": 3}
    assert rendered(event="done", **facts) == ["15:30:07 info    done: 3 updated, credits=1, calls=2"]
    assert rendered(event="done") == ["15:30:07 info    done"]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_warning_has_all_its_facts(level: str) -> None:
    facts: dict[str, Any] = {"one": 1, "two": 0, "three": "", "four": 4, "next": "./run.sh check"}
    assert rendered(level, event="failed", **facts) == [
        f"15:30:07 {level:<7} failed: one=1, two=0, three=, four=4",
        "                 next: ./run.sh check",
    ]


def test_traceback_is_not_broken() -> None:
    assert rendered("error", event="unexpected error", exception="Traceback:\n  " + "x" * 100)[1:] == [
        "Traceback:",
        "  " + "x" * 100,
    ]


def test_only_warnings_and_errors_are_colored() -> None:
    assert "\x1b" not in "".join(rendered("error", event="x") + rendered(event="x", colors=True))
    assert rendered("error", event="x", colors=True) == ["\x1b[31m15:30:07 error   x\x1b[0m"]


@given(st.lists(st.text("abc-/.", min_size=1, max_size=90), min_size=1, max_size=30), st.integers(40, 200))
def test_no_word_is_broken(words: list[str], width: int) -> None:
    lines = rendered("error", event="failed", width=width, reason=" ".join(words))
    assert textwrap.dedent("\n".join(lines)).split()[2:] == ["failed:", f"reason={words[0]}", *words[1:]]
    assert all(len(line) < width or len(line[17:].split()) == 1 for line in lines)


def test_command_is_not_broken() -> None:
    command = f"./run.sh cron_heal cmc_hourly_prices 720 --symbols {'BTC,' * 20}ETH"
    assert next_step(command, 40) == [f"next: {command}"]
    assert next_step("correct the address, then try it again", 27) == [
        "next: correct the address,",
        "      then try it again",
    ]

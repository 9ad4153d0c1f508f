"""What the log looks like at a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configurations.logs import next_step, terminal_renderer

HEAD: dict[str, Any] = {"timestamp": "2026-11-23 15:30:07", "job": "cmc_hourly_prices", "run": "bc76aa1a1f01"}


def rendered(level: str = "info", *, width: int = 80, colors: bool = False, **event: Any) -> list[str]:
    """The lines of an event."""
    renderer = terminal_renderer(colors=colors, width=width)
    return renderer(None, level, {**HEAD, "level": level, **event}).splitlines()


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

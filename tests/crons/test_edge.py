"""The edge of the program: its exit codes, told alike wherever they are told."""

from __future__ import annotations

import re
from pathlib import Path

from adapters._bases.errors import EtlError
from crons.edge import EXIT_CODES, guarded
from tests.support.bare_checkout import RUN_SH

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SRC = ROOT / "src"


def test_the_exit_codes_are_told_alike() -> None:
    """The program's help, ``run.sh help`` and README have the same codes with the same words."""
    of_run_sh = re.findall(r"^  (\d+) +(\S.*)$", RUN_SH.read_text().partition("\nExit codes\n")[2], re.MULTILINE)
    table = README.read_text().partition("| code | meaning |\n")[2].partition("\n\n")[0]
    of_readme = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    assert {int(code): words for code, words in of_run_sh} == EXIT_CODES
    assert {int(code): words for code, words in of_readme} == EXIT_CODES


def test_an_interrupted_command_says_so() -> None:
    """Ctrl-C where no job runs: one line, and the exit code that shells give."""
    told: list[EtlError] = []

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert guarded(interrupted, tell=told.append) == 130
    assert [error.message for error in told] == ["ended by Ctrl-C"]


def test_the_edge_has_the_only_broad_catch() -> None:
    """No other module takes errors that nobody foresaw for expected ones."""
    broad = re.compile(r"^\s*except(:| Exception\b)", re.MULTILINE)
    found = [path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if broad.search(path.read_text())]
    assert found == ["crons/edge.py"]

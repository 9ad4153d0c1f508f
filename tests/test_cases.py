"""The small inputs of ``tests/cases``: each is given to the installed program, and what must come of it stands here."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from sandbox.http_front import Answer
from tests.commands.conftest import clock, crontab, embedded_program, install, program, source
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.clickhouse_front import Fault as DatabaseFault
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import Finished, Installation
from tests.support.spoilt_answer import SpoiltAnswer

__all__ = ["clock", "crontab", "embedded_program", "install", "program", "source"]

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "cases"
RUN_SH = f'#!/bin/sh\nexec "{sys.executable}" -m main "$@"\n'
"""Stands for run.sh, whose set-up would take longer than what it starts; ``windows_checkout`` has the real one."""


class Outcome(NamedTuple):
    """What must come of a case.

    Attributes:
        says: parts of what is printed or logged.
        code: the exit code; of a script, of each command that prints one.
        arguments: of the job, or the operator's command.
        settings: of the process.
    """

    says: tuple[str, ...] = ()
    code: int | tuple[int, ...] = 0
    arguments: tuple[str, ...] = ()
    settings: dict[str, str] = {}  # noqa: RUF012 - never changed


OUTCOMES = {
    "coin_without_a_rank.json": Outcome(
        ("Batcat (id 31652, rank 4312)", "is active too; if that is the coin meant: SYMBOLS=BTC:1"),
        1,
        settings={"SYMBOLS": "BTC"},
    ),
    "two_digits_of_a_second.json": Outcome(("inserted=3",)),
    "no_right_to_create_databases.json": Outcome(("inserted=3",)),
    "time_constraint.json": Outcome(("inserted=3",)),
    "long_integer.json": Outcome(("inserted=3", "market_cap")),
    "backfill_nothing_readable.json": Outcome(("failed",), 1, ("backfill", "168")),
    "dollar_brace_in_password.env": Outcome(("crypto_prices and its views are ready",), 0, ("setup_db",)),
    "host_with_port.env": Outcome(("CLICKHOUSE_HOST", "CLICKHOUSE_PORT"), 2, ("setup_db",)),
    "symbol_with_a_dot.env": Outcome(("CoinMarketCap calls id 1 'BTC', not 'USDC.E'",), 1),
    "posix_tz.sh": Outcome(code=(0,)),
    "first_crontab.sh": Outcome(code=(0, 0, 1)),
    "status_without_cron_right.sh": Outcome(('"crontab_not_known"', "You (alice) are not allowed"), (1,)),
    "settings_only_in_the_environment.sh": Outcome(
        ("CMC_API_KEY is not set where cron sees it", "cron will not see CLICKHOUSE_HOST", "needs a key"), (0, 1)
    ),
    "kubernetes_and_compose.sh": Outcome(("CLICKHOUSE_PORT",), (2, 0)),
    "windows_checkout.sh": Outcome(("cron_run",), (0, 0)),
}


def of_kind(suffix: str) -> list[str]:
    """The cases of a kind; one without an outcome fails in the test of it."""
    return sorted(path.name for path in CASES.glob(f"*{suffix}"))


def check(name: str, done: Finished) -> None:
    """Its code, its words, and no traceback."""
    outcome, text = OUTCOMES[name], done.out + done.log
    assert done.code == outcome.code, text
    assert [part for part in outcome.says if part not in text] == [], text
    assert "Traceback" not in text


@contextmanager
def numbers_of_any_length() -> Iterator[None]:
    """Python itself refuses to write or read those of more than 4,300 digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def changed(patch: str) -> Fault:
    """An answer that a statement of Python changed, which knows it as ``body`` and the time as ``now``."""

    def alter(answer: Answer, now: datetime) -> Answer:
        names = {"body": copy.deepcopy(answer.document), "now": now.isoformat()}
        with numbers_of_any_length():
            exec(patch, names)  # noqa: S102 - data of the project's own
            return SpoiltAnswer(answer.status, answer.document, text=json.dumps(names["body"]).encode())

    return Fault("changed", alter)


def whole(text: str) -> Fault:
    """A body in place of the answer's, its time the present one."""
    return Fault("whole", lambda _, now: SpoiltAnswer(200, {}, text=text.replace("@NOW@", now.isoformat()).encode()))


@pytest.mark.parametrize("name", of_kind(".json"))
def test_an_answer_of_the_source(program: Installation, source: FaultySource, name: str) -> None:
    """What the source answers so, the program judges right."""
    text = (CASES / name).read_text()
    if {"deny", "max"} & json.loads(text).keys():
        pytest.skip("a case of the database")
    if over := json.loads(text).get("over"):
        for path, change in over.items():
            source.faults.push(changed(change["patch"]), path=path, times=99)
    else:
        source.faults.push(whole(text), path="cryptocurrency/map", times=99)
    outcome = OUTCOMES[name]
    check(name, program.run_job(*outcome.arguments, **outcome.settings))


@pytest.mark.parametrize("name", ["no_right_to_create_databases.json", "time_constraint.json"])
def test_an_answer_of_the_database(
    program: Installation, front: ClickHouseFront, embedded: ClickHouseAdapter, database: str, name: str
) -> None:
    """What a user may not do, and how far a profile lets a setting go, stops no run."""
    case = json.loads((CASES / name).read_text())
    embedded.command(f"CREATE DATABASE {database}")
    for statement, code, text in case.get("deny", []):
        front.faults.append(DatabaseFault("error", statement, times=99, code=code, text=text))
    for setting, most in case.get("max", {}).items():
        text = f"Setting {setting} shouldn't be greater than {most}."
        front.faults.append(DatabaseFault("error", "SELECT t.name", code=452, text=text))
        front.replacements["SELECT name, min, max FROM system.settings"] = f"SELECT '{setting}', NULL, '{most}'"
    check(name, program.run_job(RUN_TIMEOUT_SECONDS="600"))
    for setting, most in case.get("max", {}).items():
        asked = [int(value) for sent in front.settings for key, value in sent if key == setting]
        assert most in asked


@pytest.mark.parametrize("name", of_kind(".env"))
def test_a_file_of_settings(program: Installation, front: ClickHouseFront, name: str) -> None:
    """What stands there is taken as it stands, or refused by its name."""
    text = (CASES / name).read_text()
    (program.root / ".env").write_text(text)
    for line in text.splitlines():
        program.settings.pop(line.partition("=")[0], None)
    if "CLICKHOUSE_PASSWORD" in text:
        front.password = "p${HOME}w"
    outcome = OUTCOMES[name]
    done = program.command(*outcome.arguments) if outcome.arguments else program.run_job()
    check(name, done)


@pytest.mark.parametrize("name", of_kind(".sh"))
def test_a_host(embedded_program: Installation, tmp_path: Path, name: str) -> None:
    """What a host does to the program is neutralised or named; each command ends as it should."""
    if "SOURCES" in (CASES / name).read_text() and not (ROOT / ".git").exists():
        pytest.skip("this checkout has no history to clone")
    root = embedded_program.root
    (root / "run.sh").write_text(RUN_SH)
    (root / "run.sh").chmod(0o755)
    (root / ".venv").symlink_to(sys.prefix)
    places = {"CHECKOUT": str(root), "SOURCES": str(ROOT), "TMPDIR": str(tmp_path), "PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [shutil.which("bash") or "bash", str(CASES / name)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **places},
        capture_output=True,
        text=True,
        check=False,
    )
    outcome, text = OUTCOMES[name], done.stdout + done.stderr
    assert tuple(map(int, re.findall(r"rc (\d+)$", done.stdout, re.MULTILINE))) == outcome.code, text
    assert [part for part in outcome.says if part not in text] == [], text
    assert "Traceback" not in text

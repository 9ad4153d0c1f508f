"""The installed program, started as its users start it, between a simulated source and a server of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.clickhouse_front import ClickHouseFront
from tests.support.crontab_program import CrontabProgram
from tests.support.installation import Installation


@pytest.fixture(scope="session", autouse=True)
def _cron_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process with the name of cron's daemon, which runs on a usual host."""
    daemon = tmp_path_factory.mktemp("daemon") / "cron"
    shutil.copy("/bin/sleep", daemon)
    with subprocess.Popen([str(daemon), "7200"]) as process:
        yield
        process.kill()


@pytest.fixture
def crontab(tmp_path: Path) -> CrontabProgram:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = CrontabProgram(folder)
    program.make()
    return program


@pytest.fixture
def search_path(crontab: CrontabProgram) -> str:
    return f"{crontab.folder}:{os.environ['PATH']}"


@pytest.fixture
def program(install: Callable[..., Installation], front: ClickHouseFront, database: str) -> Installation:
    return install("checkout", HTTP_TIMEOUT_SECONDS="5", RUN_TIMEOUT_SECONDS="20", **front.variables(database))

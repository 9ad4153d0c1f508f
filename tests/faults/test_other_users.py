"""Files of another user: found before anything is written, and named where the engine fails on them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters._bases.embedded_engine import name_foreign_file
from adapters._bases.errors import StorageRejected
from tests.support.installation import JOB, Installation

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")

OTHER = 12345
RUNS = ("cron_run", "cron_backfill 2", "cron_heal", "clean --yes", "setup_cron", "remove_cron")
CHOICES = ("coins --reset BTC", "coins --accept BTC:1", "coins --rename BTC:XBT")
WRITING = (*RUNS, *CHOICES, "setup_db", "backup", "restore x", "drop_db --yes")


def owners(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_uid for path in [folder, *folder.rglob("*")]}


@pytest.mark.parametrize(("owned", "writing"), [("DATA_PATH", WRITING), ("CLICKHOUSE_PATH", WRITING[:1])])
def test_only_the_owner_of_the_data_writes(
    embedded_program: Installation, owned: str, writing: tuple[str, ...]
) -> None:
    """Others are refused with exit code 2 before anything is written; they may read."""
    program = embedded_program
    program.settings["CLICKHOUSE_PATH"] = str(program.root / "engine")
    assert program.run_job().code == 0
    folder = program.data if owned == "DATA_PATH" else program.root / "engine"
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, OTHER, OTHER)
    before = owners(program.root)
    for command in writing:
        refused = program.at_clock(*command.split())
        assert refused.code == 2, (command, refused.out + refused.log)
        assert f"{folder} belongs to {OTHER}" in refused.log
        assert f"chown -R root {folder}" in refused.log
    for command in ("status", "query SELECT+1", "coins", "jobs", "setup_cron --dry-run"):
        assert program.at_clock(*(word.replace("+", " ") for word in command.split())).code in {0, 1}
    written = {path for path, owner in owners(program.root).items() if owner == 0 and path not in before}
    assert not [path for path in written if "/output" not in path and "__pycache__" not in path]


@pytest.mark.parametrize("where", ["spool/etl_runs", f"locks/{JOB}.lock", "coin_choices.json", "../backups/old"])
def test_foreign_file_is_found_before_writing(embedded_program: Installation, where: str) -> None:
    program = embedded_program
    assert program.run_job().code == 0
    path = program.data / where
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.chown(path, OTHER, OTHER)
    requests = owners(program.root)
    refused = program.at_clock("cron_run")
    assert refused.code == 2
    assert str(path.name) in refused.log
    assert "chown -R root " in refused.log
    assert [one for one in owners(program.root).keys() - requests.keys() if "/output" not in one] == []


def test_deeper_foreign_file_is_named_when_the_engine_fails(tmp_path: Path) -> None:
    (tmp_path / "store" / "0a").mkdir(parents=True)
    os.chown(tmp_path / "store" / "0a", OTHER, OTHER)
    failure = StorageRejected("filesystem error: in posix_stat: Permission denied")
    name_foreign_file(failure, tmp_path)
    assert f"{tmp_path}/store/0a belongs to {OTHER}" in failure.message
    assert failure.next_step == f"sudo chown -R root {tmp_path}"

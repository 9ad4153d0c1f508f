"""The doors that every pipeline shares."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from adapters.files.locks import read_holder
from configurations.config import Settings
from crons.resources import Resources, database_lock
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.settings import make_settings

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)


@pytest.fixture
def settings(front: ClickHouseFront) -> Settings:
    return make_settings(**front.variables("crypto"))


@pytest.fixture
def lock(settings: Settings) -> Iterator[Path]:
    """The lock of the server's database; gone afterwards."""
    path = database_lock(settings)
    yield path
    path.unlink(missing_ok=True)


def test_the_lock_of_a_server_is_out_of_others_reach(settings: Settings, lock: Path) -> None:
    """Its folder, where everybody may make one, is closed; its holder is said to use the database."""
    with Resources(settings, task="test", clock=lambda: NOW, writes=True) as resources:
        assert resources.database.query("SELECT 1") == [(1,)]
        assert lock.parent.stat().st_mode & 0o077 == 0
        holder = read_holder(lock)
        assert holder is not None
        assert str(holder).endswith("test since 2026-11-23 12:35:07 (Tehran), using the database")


def test_nothing_is_written_where_others_could_have_put_the_lock(
    settings: Settings, front: ClickHouseFront, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder of the lock's name that leads elsewhere: the database is not asked, and nothing is made there."""
    # No user's number: the real folder may be in use by a run of this host.
    nobody = f"test-{uuid.uuid4().hex}"
    monkeypatch.setattr("os.getuid", lambda: nobody)
    folder = database_lock(settings).parent
    folder.symlink_to(tmp_path)
    try:
        resources = Resources(settings, task="test", clock=lambda: NOW, writes=True)
        with resources, pytest.raises(StateError, match="of this user alone"):
            resources.database.query("SELECT 1")
    finally:
        folder.unlink()
    assert list(tmp_path.iterdir()) == []
    assert front.statements == []


@pytest.mark.parametrize(
    ("host", "seconds"), [("abc.eu-west-1.aws.clickhouse.cloud", 120), ("clickhouse.example.com", 0)]
)
def test_a_service_of_the_cloud_gets_time_to_wake(settings: Settings, host: str, seconds: int) -> None:
    resources = Resources(replace(settings, clickhouse_host=host), task="test", clock=lambda: NOW)
    assert resources.database.waking_seconds == seconds

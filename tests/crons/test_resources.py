"""The doors that every pipeline shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("host", "seconds"), [("abc.eu-west-1.aws.clickhouse.cloud", 120), ("clickhouse.example.com", 0)]
)
def test_a_service_of_the_cloud_gets_time_to_wake(settings: Settings, host: str, seconds: int) -> None:
    resources = Resources(replace(settings, clickhouse_host=host), task="test", clock=lambda: NOW)
    assert resources.database.waking_seconds == seconds

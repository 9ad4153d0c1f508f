"""Which command works for which database user: by its rights and its settings profile."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.installation import Finished, Installation
from tests.support.price_rows import price_row
from tests.support.price_table import Sql, copied, fingerprint

COMMANDS = {
    "reader": ("status", "report", "verify", "compare", "export", "query", "coins", "backup"),
    "writer": ("cron_run", "cron_backfill", "cron_heal", "restore"),
    "maker": ("setup_db",),
    "dropper": ("drop_db",),
}
"""Each role, the one with the fewest rights first, to the commands that need it."""
ARGUMENTS = {
    "report": ("24",),
    "export": ("-", "--format", "csv"),
    "query": ("SELECT count() FROM crypto_prices_hourly",),
    "cron_backfill": ("3",),
    "cron_heal": ("3",),
    "restore": ("kept.jsonl.gz",),
    "drop_db": ("--yes",),
}
NEEDS_ATTENTION = ("status", "verify")
"""These exit with 1 here in any case: prices are missing, and the stored ones are a test's."""

pytestmark = pytest.mark.present_engine


@pytest.fixture
def stored(
    program: Installation,
    embedded: ClickHouseAdapter,
    make_table: Callable[..., CoinMarketCapClickHouseAdapter],
    database: str,
) -> Installation:
    """The program with stored prices that each writing command changes, and with a backup of others."""
    repository = make_table(embedded)
    EtlRunsAdapter(clickhouse=embedded, database=database, keep_days=365).ensure_ready()
    hours = [f"2026-11-23 {hour}:05:00" for hour in (14, 15)]
    repository.upsert_prices([price_row("BTC", 1.0, fetched_at=at) for at in hours])
    copied(embedded, database, program.root / "kept.jsonl.gz")
    repository.upsert_prices([price_row("BTC", 2.0, fetched_at=at) for at in hours])
    return program


def run(program: Installation, command: str) -> Finished:
    return program.at_clock(command, *ARGUMENTS.get(command, ()))


def without_tables(sql: Sql) -> None:
    sql("DROP DATABASE crypto SYNC")
    sql("CREATE DATABASE crypto")


@pytest.mark.parametrize("role", COMMANDS)
def test_commands_work_with_their_least_role(stored: Installation, front: ClickHouseFront, sql: Sql, role: str) -> None:
    front.role = role
    if role == "maker":
        without_tables(sql)
    for command in COMMANDS[role]:
        done = run(stored, command)
        text = done.out + done.log
        assert done.code == 0 or (command in NEEDS_ATTENTION and done.code == 1), text
        assert not re.search(r"error \d+|Traceback", text), text


@pytest.mark.parametrize(
    ("role", "command"), [(less, command) for less, role in pairwise(COMMANDS) for command in COMMANDS[role]]
)
def test_missing_right_is_named_and_changes_nothing(
    stored: Installation, front: ClickHouseFront, sql: Sql, role: str, command: str
) -> None:
    front.role = role
    if command == "setup_db":
        without_tables(sql)
        before = ""
    else:
        before = fingerprint(sql)
    done = run(stored, command)

    assert done.code == 1, done.log
    assert "Have an administrator run: GRANT" in " ".join((done.out + done.log).split())
    if before:
        assert fingerprint(sql) == before
    else:
        assert sql("SELECT 1 FROM system.tables WHERE database = 'crypto'") == []


@pytest.mark.parametrize(
    ("profile", "setting", "command"),
    [
        *(("limit locked", "limit", command) for command in ("status", "coins", "cron_run", "setup_db")),
        ("apply_patch_parts locked", "apply_patch_parts", "cron_run"),
        ("read only", "readonly", "drop_db"),
    ],
)
def test_harmful_profile_is_named_and_changes_nothing(
    stored: Installation, front: ClickHouseFront, sql: Sql, *, profile: str, setting: str, command: str
) -> None:
    """The setting's name, without advice to drop or rename a table."""
    front.profile = profile
    before = fingerprint(sql)
    done = run(stored, command)

    text = " ".join((done.out + done.log).split())
    # The list of coins is shown without what is stored.
    assert done.code == (0 if command == "coins" else 1), text
    assert setting in text
    assert not re.search(r"\b(drop|rename) (or|crypto|test)", text, re.IGNORECASE), text
    assert fingerprint(sql) == before

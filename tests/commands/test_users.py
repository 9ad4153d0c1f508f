"""Which command works for which user: by its rights and by its profile, as docs/operating.md tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.etl_runs_clickhouse_adapter import EtlRunsAdapter
from tests.support.access import PROFILES, ROLES
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.docs import ROOT
from tests.support.installation import Finished, Installation
from tests.support.price_rows import price_row
from tests.support.price_table import fingerprint

READS = ("status", "report", "verify", "compare", "export", "query", "coins", "backup")
WRITES = ("cron_run", "cron_backfill", "cron_heal", "restore")
COMMANDS = (*READS, *WRITES, "setup_db", "drop_db")
ARGUMENTS = {
    "report": ("24",),
    "export": ("-", "--format", "csv"),
    "query": ("SELECT count() FROM crypto_prices_hourly",),
    "restore": ("kept.jsonl.gz",),
    "drop_db": ("--yes",),
}
JOBS = {"cron_run": (), "cron_backfill": ("backfill", "3"), "cron_heal": ("heal", "3")}
MAY = {"reader": READS, "writer": READS + WRITES, "maker": (*READS, *WRITES, "setup_db"), "dropper": COMMANDS}
"""Role to the commands that work for it; the others are refused."""
NEEDS_ATTENTION = ("status", "verify")
"""Which end with 1 here in any case: prices are missing, and some are those of a test."""

pytestmark = pytest.mark.present_engine


@pytest.fixture
def stored(
    program: Installation,
    embedded: ClickHouseAdapter,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
    database: str,
) -> Installation:
    """The program, with tables that hold prices which each writing command changes, and with a backup of others."""
    repository = make_repository(embedded)
    repository.ensure_ready()
    EtlRunsAdapter(clickhouse=embedded, database=database, keep_days=365).ensure_ready()
    hours = [f"2026-11-23 {hour}:05:00" for hour in (14, 15)]
    repository.upsert_prices([price_row("BTC", 1.0, fetched_at=at) for at in hours])
    repository.export_table(program.root / "kept.jsonl.gz")
    repository.upsert_prices([price_row("BTC", 2.0, fetched_at=at) for at in hours])
    return program


def run(program: Installation, command: str) -> Finished:
    """The command, as cron or its user runs it."""
    if command in JOBS:
        return program.run_job(*JOBS[command])
    return program.command(command, *ARGUMENTS.get(command, ()))


def works(command: str, done: Finished) -> None:
    """Check that it ended as it does for a user who may do everything."""
    text = done.out + done.log
    assert done.code == 0 or (command in NEEDS_ATTENTION and done.code == 1), text
    assert not re.search(r"error \d+|Traceback", text), text


def without_tables(embedded: ClickHouseAdapter, database: str) -> None:
    """Leave the database, with nothing in it."""
    embedded.command(f"DROP DATABASE {database} SYNC")
    embedded.command(f"CREATE DATABASE {database}")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("role", MAY)
def test_rights(
    stored: Installation,
    front: ClickHouseFront,
    embedded: ClickHouseAdapter,
    database: str,
    *,
    role: str,
    command: str,
) -> None:
    """A command works with its rights; without one it fails, names the GRANT to run, and leaves the rows alone."""
    front.role = role
    if command == "setup_db":
        without_tables(embedded, database)
        done = run(stored, command)
    else:
        before = fingerprint(embedded, database)
        done = run(stored, command)

    if command in MAY[role]:
        works(command, done)
        return
    text = done.out + done.log
    assert done.code == 1, text
    assert "Have an administrator run: GRANT" in " ".join(text.split()), text
    if command == "setup_db":
        assert embedded.query("SELECT name FROM system.tables WHERE database = {one:String}", {"one": database}) == []
    else:
        assert fingerprint(embedded, database) == before


WITHIN = ("all of these", "small statements", "hasty updates")
LOCKED = ("limit locked", "max_result_rows locked", "apply_patch_parts locked")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("profile", [*WITHIN, *LOCKED, "read only"])
def test_profiles(
    stored: Installation,
    front: ClickHouseFront,
    embedded: ClickHouseAdapter,
    database: str,
    *,
    profile: str,
    command: str,
) -> None:
    """A command works within what a profile has and lets change, and what it may not work with is named."""
    front.profile = profile
    if command == "setup_db" and profile not in LOCKED:
        without_tables(embedded, database)
    before = "" if command == "setup_db" else fingerprint(embedded, database)

    done = run(stored, command)

    if profile in WITHIN or (profile == "read only" and command in READS):
        works(command, done)
        return
    text = " ".join((done.out + done.log).split())
    assert done.code == (0 if command == "coins" else 1), text  # which says that what is stored is not known
    named = ("readonly",) if profile == "read only" else tuple(PROFILES[profile].values)
    assert [name for name in named if name in text], text
    assert not re.search(r"\b(drop|rename) (or|crypto|test)", text, re.IGNORECASE), text
    assert command == "setup_db" or fingerprint(embedded, database) == before


def test_the_docs_list_the_rights() -> None:
    """Each row of the table names commands and rights; the tests above hold the commands to just those."""
    page = (Path(ROOT) / "docs" / "operating.md").read_text()
    table = page.partition("## Rights of the database user")[2].partition("\n\n```")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    told = {command: rights for names, rights in rows for command in re.findall(r"`([a-z_]+)`", names)}
    told.pop("clean")  # is drop_db, setup_db and cron_run

    roles = {command: next(role for role in MAY if command in MAY[role]) for command in COMMANDS}
    assert told.keys() == roles.keys()
    for command, role in roles.items():
        [grants] = ROLES[role]
        assert f"`{grants.removesuffix(' ON crypto.*')}`" in told[command], command

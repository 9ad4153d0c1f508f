"""Past hours of which answers came and none was valid: a failure, in the exit code, the log and the history."""

from __future__ import annotations

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from tests.support import faults
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit

PAST = "/quotes/historical"


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("backfill", faults.odd_fields(1, symbol=None)),
        ("heal", faults.odd_fields(1, quotes=None)),
        ("backfill", faults.odd_price(1, 0)),
        ("heal", faults.odd_price(1, "12")),
    ],
)
def test_past_hours_without_a_valid_price_fail(
    kind: str,
    fault: Fault,
    program: Installation,
    source: FaultySource,
    *,
    embedded: ClickHouseAdapter,
    table: PriceAudit,
) -> None:
    """As a run does: exit code 1, one line of error, recorded as failed; what was wrong is told in few lines."""
    source.faults.push(fault, path=PAST, times=99)
    run = program.run_job(kind, "24", SYMBOLS="BTC:1")
    assert (run.code, len(run.errors)) == (1, 1), run.log
    assert "CoinMarketCap gave no valid price" in run.errors[0]
    assert "] run failed " in run.log
    assert 1 <= run.log.count("quote=") <= 2
    database = program.settings["CLICKHOUSE_DB"]
    recorded = embedded.query(f"SELECT kind, status, error FROM {database}.etl_runs")
    assert recorded == [(kind, "failed", "CoinMarketCap gave no valid price")]
    assert table.rows() == []


@pytest.mark.parametrize("kind", ["run", "backfill"])
def test_run_fails_when_the_database_rejects_every_row(
    kind: str, program: Installation, embedded: ClickHouseAdapter, table: PriceAudit
) -> None:
    """Exit code 1, recorded as failed, no price called stored; the rows are kept aside with the reason."""
    database = program.settings["CLICKHOUSE_DB"]
    assert program.command("setup_db").code == 0
    embedded.command(f"ALTER TABLE {database}.crypto_prices ADD CONSTRAINT one CHECK price < 0")

    run = program.run_job(*([kind, "3"] if kind == "backfill" else []))

    assert (run.code, len(run.errors)) == (1, 1), run.log
    assert "the database refused every row of a batch" in run.errors[0]
    assert "VIOLATED_CONSTRAINT" in run.log
    assert "stored=" not in run.log
    recorded = embedded.query(f"SELECT kind, status, inserted FROM {database}.etl_runs")
    assert recorded == [(kind, "failed", 0)]
    assert table.rows() == []

"""A TTL on the table of prices: what it deletes is not requested."""

from __future__ import annotations

import re

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit

KEPT = 30


@pytest.mark.parametrize(
    "ttl",
    [
        "toDateTime(datetime, 'Asia/Tehran') + INTERVAL {hours} HOUR",
        "parseDateTimeBestEffort(fetched_at, 'Asia/Tehran') + toIntervalHour({hours}) DELETE WHERE endpoint != 'x'",
    ],
)
def test_hours_that_a_ttl_deletes_are_left_out(
    ttl: str, program: Installation, embedded: ClickHouseAdapter, table: PriceAudit
) -> None:
    """By the backfill and the heal, which are done then; `check` and `verify` report it."""
    assert program.run_job().code == 0
    since_then = embedded.query("SELECT dateDiff('hour', toDateTime('2026-11-23 12:00:00', 'Asia/Tehran'), now())")
    hours = int(str(since_then[0][0])) + KEPT
    name = f"{program.settings['CLICKHOUSE_DB']}.crypto_prices"
    embedded.command(
        f"ALTER TABLE {name} MODIFY TTL {ttl.format(hours=hours)} SETTINGS materialize_ttl_after_modify = 0"
    )
    for task in ("backfill", "heal"):
        done = program.run_job(task, "48")
        assert done.code == 0, done.log
        left_out = re.search(rf"(\d+) hours of 48 left out: the TTL of {name} deletes them: .*toIntervalHour", done.log)
        assert left_out
        assert 48 - KEPT - 3 <= int(left_out[1]) <= 48 - KEPT
        assert len(table.rows()) == 3 * (48 - int(left_out[1]) + 1)
    for command in ("check", "verify"):
        assert "toIntervalHour" in program.command(command).out

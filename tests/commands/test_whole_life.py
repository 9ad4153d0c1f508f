"""One whole life of a database, command by command: what is stored is what was served, bit for bit.

`.ci/run` tries it on each version of ClickHouse and Python.
"""

from __future__ import annotations

import re
from datetime import timedelta

from adapters._bases.sql_files import definition
from tests.support.faulty_source import FaultySource
from tests.support.installation import Finished, Installation
from tests.support.price_audit import PriceAudit
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

HOURS = 60


def test_a_whole_life(program: Installation, source: FaultySource, clock: SteppedClock, sql: Sql) -> None:
    audit = PriceAudit(sql=sql, source=source)

    def command(*arguments: str) -> Finished:
        done = program.at_clock(*arguments)
        assert done.code == 0, done.out + done.log
        return done

    def stored() -> list[tuple[object, ...]]:
        names = ", ".join(name for name in definition("crypto_prices").stored if name not in ("run_id", "updated_at"))
        return sql(f"SELECT {names} FROM crypto.crypto_prices ORDER BY symbol, datetime")

    def change(how: str) -> None:
        before = stored()
        sql(f"ALTER TABLE crypto.crypto_prices {how} SETTINGS mutations_sync = 2")
        assert stored() != before

    command("setup_db")
    assert program.run_job().code == 0
    clock.advance(timedelta(minutes=20))
    assert program.run_job().code == 0
    assert program.run_job("backfill", str(HOURS)).code == 0
    audit.assert_right()
    whole = stored()
    assert len(whole) == (HOURS + 1) * 3

    change("UPDATE price = price * 1.1, volume_24h = NULL WHERE 1")
    assert program.run_job("backfill", str(HOURS)).code == 0
    assert program.run_job().code == 0
    audit.assert_right()
    assert repr(stored()) == repr(whole)

    change("DELETE WHERE symbol = 'ETH' AND substring(datetime, 12, 2) IN ('03', '04')")
    assert program.run_job("heal", str(HOURS)).code == 0
    assert [row[:4] for row in stored()] == [row[:4] for row in whole]
    whole = stored()

    command("verify")
    assert "nothing needs attention" in command("status").out
    assert command("export", "-", "--format", "csv").out.count("\n") == len(whole) + 1
    backup = re.search(r"restore (\S+)", command("drop_db", "--yes").out)
    assert backup is not None
    assert audit.rows() == []
    command("restore", backup[1])
    assert repr(stored()) == repr(whole)
    audit.assert_right()

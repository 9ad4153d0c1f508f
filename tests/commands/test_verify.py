"""``verify``: the stored prices, looked through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.hourly_table import Hole
from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.files.locks import ProcessLock
from tests.support.eventually import eventually
from tests.support.installation import Installation
from tests.support.price_table import typed
from tests.support.stepped_clock import SteppedClock

MAIN_AT = str(Path(__file__).parents[1] / "support" / "main_at.py")


def put(embedded: ClickHouseAdapter, database: str, *rows: tuple[str, str, float | None]) -> None:
    """Rows (symbol, fetched_at, price) of the coin 1 by raw SQL."""
    columns = {**typed("symbol", "fetched_at"), "price": "Nullable(Float64)", **typed("cmc_id")}
    embedded.insert(f"{database}.crypto_prices", columns, [(*row, 1) for row in rows])


def test_a_good_table_passes(program: Installation) -> None:
    """After a run and a backfill nothing is wrong: exit code 0."""
    assert program.run_job("backfill", "5").code == 0
    done = program.command("verify")
    assert (done.code, done.log) == (0, "")
    assert done.out.endswith("nothing is wrong\n")


def test_everything_wrong_is_listed(program: Installation, embedded: ClickHouseAdapter, database: str) -> None:
    """Each kind of wrongness is named with its key: exit code 1."""
    assert program.command("setup_db").code == 0
    good = [("BTC", f"2021-05-04 {hour:02d}:00:05", 90_000.0) for hour in range(6)]
    put(embedded, database, *good, ("BTC", "2021-05-04 03:59:00", 90_000.0), ("BTC", "2021-05-04 06:00:00", -5.0))
    put(embedded, database, ("BTC", "2021-05-04 10:00:00", 90_000.0))
    embedded.command(
        f"INSERT INTO {database}.crypto_prices (symbol, fetched_at, price, datetime) "
        "SETTINGS insert_allow_materialized_columns = 1 VALUES ('ETH', '2021-05-04 10:00:00', 1, '2021-05-04 11:00:00')"
    )
    done = program.command("verify")
    assert done.code == 1
    assert "BTC 2021-05-04 03:00:00: 2 rows" in done.out
    assert "ETH 2021-05-04 11:00:00: fetched_at is 2021-05-04 10:00:00" in done.out
    assert "BTC 2021-05-04 06:00:00: price -5" in done.out
    assert "BTC: 3 h: 2021-05-04 07:00 to 2021-05-04 09:00" in done.out
    assert "3 hours of 1 symbol missing" in done.out
    assert done.out.endswith("4 of 8 checks found something\n")


def test_a_table_of_another_shape_is_named(program: Installation, embedded: ClickHouseAdapter, database: str) -> None:
    """What differs is a finding, and the rows are looked through all the same; so is a view that is gone."""
    assert program.command("setup_db").code == 0
    embedded.command(f"ALTER TABLE {database}.crypto_prices MODIFY COLUMN price Nullable(Float64)")
    put(embedded, database, ("BTC", "2021-05-04 10:00:00", None))
    embedded.command(f"DROP VIEW {database}.crypto_prices_hourly")
    done = program.command("verify")
    assert done.code == 1
    assert f"{database}.crypto_prices: column price is 'Nullable(Float64)', not 'Float64'" in done.out
    assert f"{database}.crypto_prices_hourly is missing" in done.out
    assert "BTC 2021-05-04 10:00:00: price NULL" in done.out
    assert done.out.endswith("2 of 8 checks found something\n")


def test_a_shape_that_the_checks_cannot_read_is_a_finding(
    program: Installation, embedded: ClickHouseAdapter, database: str
) -> None:
    """Without the columns that they ask for there is nothing to look through: that is said beside the difference."""
    assert program.command("setup_db").code == 0
    embedded.command(f"DROP TABLE {database}.crypto_prices")
    embedded.command(
        f"CREATE TABLE {database}.crypto_prices (symbol String) ENGINE = ReplacingMergeTree ORDER BY symbol"
    )
    done = program.command("verify")
    assert (done.code, done.log) == (1, "")
    assert "column price is 'missing', not 'Float64'" in done.out
    assert "the schema prevents the checks" in done.out


def test_the_remedy_reaches_back_to_the_first_wrong_hour(
    program: Installation, clock: SteppedClock, embedded: ClickHouseAdapter, database: str
) -> None:
    """The commands that mend it can be taken as they are: their HOURS take in all that is missing or absurd."""
    assert program.command("setup_db").code == 0
    ago = [tehran_text(clock() - timedelta(hours=hours)) for hours in range(12)]
    put(embedded, database, *[("BTC", ago[hours], 1.0) for hours in (0, 2, 3, 10)], ("ETH", ago[0], -1.0))
    put(embedded, database, *[("ETH", ago[hours], -1.0) for hours in (3, 11)])
    done = program.start(MAIN_AT, clock().isoformat(), "verify").ended()
    assert "16 hours of 2 symbols missing" in done.out
    told = " ".join(done.out.split())
    assert "./run.sh cron_heal cmc_hourly_prices 10" in told
    assert "./run.sh cron_backfill cmc_hourly_prices 11" in told


def test_a_hole_of_the_source_is_not_wrong(
    program: Installation,
    embedded: ClickHouseAdapter,
    database: str,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
) -> None:
    """An hour that the source had no quote for is not missing."""
    assert program.command("setup_db").code == 0
    put(embedded, database, ("BTC", "2021-05-04 10:00:00", 1.0), ("BTC", "2021-05-04 12:00:00", 1.0))
    assert program.command("verify").code == 1
    make_repository(embedded).note_holes([Hole("BTC", "2021-05-04 11:00:00", 1, "2021-05-05 00:00:00", "r1")])
    assert program.command("verify").code == 0


def test_a_hole_of_another_coin_says_nothing(
    program: Installation,
    embedded: ClickHouseAdapter,
    database: str,
    make_repository: Callable[..., CoinMarketCapClickHouseAdapter],
) -> None:
    """An hour that the source had no quote for of the coin that the symbol once meant is missing."""
    assert program.command("setup_db").code == 0
    put(embedded, database, ("BTC", "2021-05-04 10:00:00", 1.0), ("BTC", "2021-05-04 12:00:00", 1.0))
    make_repository(embedded).note_holes([Hole("BTC", "2021-05-04 11:00:00", 99, "2021-05-05 00:00:00", "r1")])
    done = program.command("verify")
    assert (done.code, "BTC: 1 h: 2021-05-04 11:00" in done.out) == (1, True)


def test_a_gap_of_a_symbol_that_is_followed_no_longer_is_not_missing(
    program: Installation, embedded: ClickHouseAdapter, database: str
) -> None:
    """No hour of it is expected, and no heal would ask for one; what is wrong in its rows is told all the same."""
    assert program.command("setup_db").code == 0
    put(embedded, database, ("OLD", "2021-05-04 10:00:00", 1.0), ("OLD", "2021-05-04 12:00:00", 1.0))
    assert program.command("verify").code == 0
    put(embedded, database, ("OLD", "2021-05-04 12:30:00", 1.0))
    assert "OLD 2021-05-04 12:00:00: 2 rows" in program.command("verify").out


def test_the_hour_that_came_twice_is_missing_once(
    program: Installation, embedded: ClickHouseAdapter, database: str
) -> None:
    """On 2022-09-21 the clocks went through 23:00 twice: one key, and a range goes through it unbroken."""
    assert program.command("setup_db").code == 0
    put(embedded, database, ("BTC", "2022-09-21 22:00:00", 1.0), ("BTC", "2022-09-22 00:00:00", 1.0))
    put(embedded, database, ("ETH", "2022-09-21 21:00:00", 1.0), ("ETH", "2022-09-22 01:00:00", 1.0))
    done = program.command("verify")
    lines = [line.strip() for line in done.out.splitlines()]
    assert "BTC: 1 h: 2022-09-21 23:00" in lines
    assert "ETH: 3 h: 2022-09-21 22:00 to 2022-09-22 00:00" in lines


def test_an_hour_that_tehran_never_had_is_not_missing(
    program: Installation, embedded: ClickHouseAdapter, database: str
) -> None:
    """On 2021-03-22 the clocks went from 23:59:59 of the 21st straight to 01:00."""
    assert program.command("setup_db").code == 0
    put(embedded, database, ("BTC", "2021-03-21 23:00:00", 1.0), ("BTC", "2021-03-22 01:00:00", 1.0))
    assert program.command("verify").code == 0


def test_an_hour_to_come_is_wrong(program: Installation, embedded: ClickHouseAdapter, database: str) -> None:
    """It is named; the hours between it and the present one are no gap."""
    assert program.command("setup_db").code == 0
    put(embedded, database, ("BTC", "2021-05-04 10:00:00", 1.0), ("BTC", "2100-05-04 10:00:00", 1.0))
    done = program.command("verify")
    assert done.code == 1
    assert "BTC 2100-05-04 10:00:00: fetched_at is 2100-05-04 10:00:00" in done.out
    assert done.out.endswith("1 of 8 checks found something\n")


def test_a_key_that_is_no_time_stops_no_check(
    program: Installation, embedded: ClickHouseAdapter, database: str
) -> None:
    """It is named, and the hours around it are looked through all the same."""
    assert program.command("setup_db").code == 0
    embedded.command(
        f"INSERT INTO {database}.crypto_prices (symbol, fetched_at, price, datetime, date) "
        "SETTINGS insert_allow_materialized_columns = 1 VALUES "
        "('BTC', '2021-05-04 25:61:00', 1, '2021-05-04 25:00:00', '2021-05-04')"
    )
    put(embedded, database, ("BTC", "2021-05-04 10:00:00", 1.0))
    done = program.command("verify")
    assert (done.code, done.log) == (1, "")
    assert "BTC 2021-05-04 25:00:00: fetched_at is 2021-05-04 25:61:00" in done.out


def test_a_list_that_was_cut_says_so(program: Installation, embedded: ClickHouseAdapter, database: str) -> None:
    """No more than 10,000 of a kind are looked for, and that there may be more is said."""
    assert program.command("setup_db").code == 0
    embedded.command(
        f"INSERT INTO {database}.crypto_prices (symbol, fetched_at, price) SELECT concat('X', toString(number)), "
        "'2021-05-04 10:00:00', -1 FROM numbers(10001)"
    )
    done = program.command("verify")
    assert "10,000 or more found" in done.out
    assert "and 9,990 or more" in done.out


def test_a_stuck_mutation_is_wrong(program: Installation, embedded: ClickHouseAdapter, database: str) -> None:
    """A mutation that fails is found, with its reason and the statement that withdraws it."""
    assert program.run_job().code == 0
    embedded.command(
        f"ALTER TABLE {database}.crypto_prices UPDATE name = toString(throwIf(1, 'boo')) WHERE 1 "
        "SETTINGS mutations_sync = 0, alter_update_mode = 'heavy'"
    )
    failed = f"SELECT count() FROM system.mutations WHERE database = '{database}' AND latest_fail_reason != ''"
    eventually(lambda: embedded.query(failed) != [(0,)])
    done = program.command("verify")
    assert done.code == 1
    assert "boo" in done.out
    assert f"KILL MUTATION WHERE database = '{database}'" in " ".join(done.out.split())
    embedded.command(f"KILL MUTATION WHERE database = '{database}' AND table = 'crypto_prices'")
    assert program.command("verify").code == 0


@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_fresh_host_stays_as_it_is(embedded_program: Installation, command: str) -> None:
    """Looking for what is stored makes no database: exit code 1, and the next step."""
    done = embedded_program.command(command)
    assert done.code == 1
    assert "there is no database yet" in done.log
    assert "setup_db" in done.log
    assert not embedded_program.data.exists()


def test_a_missing_table_is_said(program: Installation) -> None:
    """Without a table there is nothing to look through: exit code 1, with the next step."""
    done = program.command("verify")
    assert done.code == 1
    assert "setup_db" in done.log


def test_a_job_that_has_the_engine_is_named(embedded_program: Installation, clock: SteppedClock) -> None:
    """While a job has the embedded engine open, verify says who, after a short wait: exit code 75."""
    assert embedded_program.command("setup_db").code == 0
    lock = embedded_program.data / "clickhouse.lock"
    with ProcessLock(lock, task="cmc_hourly_prices run", clock=clock):
        done = embedded_program.command("verify")
    assert done.code == 75
    assert "cmc_hourly_prices run" in done.log

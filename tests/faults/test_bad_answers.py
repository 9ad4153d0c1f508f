"""The source answers badly: one line says why, and nothing invalid is stored or spooled."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from tests.support import faults
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit
from tests.support.price_table import Sql
from tests.support.stepped_clock import SteppedClock

LATEST = "/quotes/latest"
ETH = 1027
QUICK = {"RUN_TIMEOUT_SECONDS": "3"}


def name_of(value: object) -> str:
    return value.name if isinstance(value, Fault) else str(value)


@pytest.mark.parametrize(
    "fault",
    [
        faults.odd_price(ETH, None),
        faults.odd_fields(ETH, last_updated="2026-11-22T08:05:07.000Z"),
        faults.odd_fields(ETH, symbol="ETHX", name="Renamed (simulated)"),
    ],
    ids=name_of,
)
def test_invalid_quote_is_rejected_by_name(
    fault: Fault, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """The run fails, because a followed symbol has no price; the others are stored."""
    source.faults.push(fault, path=LATEST)
    run = program.run_job()
    assert run.code == 1
    assert "ETH" in run.errors[-1]
    assert len([line for line in run.log.splitlines() if "rejected" in line and "ETH (id 1027)" in line]) == 1, run.log
    assert "rejected=1" in run.log
    assert {row.symbol for row in table.rows()} == {"BTC", "SOL"}
    table.assert_right()


@pytest.mark.parametrize(
    ("arguments", "path", "rows"),
    [((), LATEST, 1), (("backfill", "2"), "/quotes/historical", 2)],
    ids=["run", "backfill"],
)
def test_invalid_field_beside_the_price_loses_that_field_only(
    arguments: tuple[str, ...], path: str, rows: int, program: Installation, source: FaultySource, *, table: PriceAudit
) -> None:
    source.faults.push(faults.odd_fields(ETH, volume_24h="much", market_cap=True, name="E" * 300), path=path)
    run = program.run_job(*arguments)
    assert (run.code, "rejected=0" in run.log) == (0, True), run.log
    warnings = [line for line in run.log.splitlines() if "[warning" in line and "ETH (id 1027)" in line]
    assert [field for field in ("volume_24h", "market_cap", "name") if field not in "".join(warnings)] == []
    assert len([row for row in table.rows() if row.symbol == "ETH"]) == rows
    table.assert_right()


@pytest.mark.parametrize(
    ("fault", "symbols"),
    [(faults.duplicated(ETH), "BTC ETH SOL"), (faults.left_out(ETH), "BTC SOL")],
    ids=name_of,
)
def test_repeated_or_missing_coin_is_reported(
    fault: Fault, symbols: str, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """The first of two quotes is stored; without a quote there is no row."""
    source.faults.push(fault, path=LATEST)
    run = program.run_job()
    assert run.code == ("ETH" not in symbols)
    reported = "no quote" if run.code else "rejected"
    assert [line for line in run.log.splitlines() if reported in line and "ETH (id 1027)" in line] != []
    assert [row.symbol for row in table.rows()] == symbols.split()
    table.assert_right()


@pytest.mark.parametrize(
    ("fault", "fact"),
    [
        (faults.html_page(403), "CMC_BASE_URL"),
        (faults.empty_data(), "no valid price"),
        (faults.slow_drip(), "3 s"),
        (faults.refused(1008, retry_after_seconds=3000), "minute"),
        (faults.refused(1001, status=200), "CMC_API_KEY"),
    ],
    ids=name_of,
)
def test_bad_answer_is_one_line_and_nothing_is_stored(
    fault: Fault, fact: str, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    source.faults.push(fault, path=LATEST, times=99)
    run = program.run_job(**QUICK)
    source.faults.release()
    assert (run.code, len(run.errors)) == (1, 1), run.log
    assert fact in run.log
    assert "Traceback" not in run.log
    assert (program.spooled, table.rows()) == ([], [])


def test_prices_far_off_those_before_are_stored_with_a_warning(
    program: Installation, source: FaultySource, clock: SteppedClock
) -> None:
    """`status` and `verify` report them by the same rule, also once they have stayed."""
    assert program.run_job("backfill", "3").code == 0
    for hour in range(2):
        clock.advance(timedelta(hours=hour))
        source.faults.push(faults.odd_price(ETH, 1e12), path=LATEST)
        run = program.run_job()
        assert (run.code, run.log.count("stored, but see whether it is right")) == (0, 1), run.log
        shown = program.at_clock("status")
        assert (shown.code, "prices of ETH are far off their neighbors: ./run.sh verify" in shown.out) == (1, True)
        assert program.at_clock("verify").code == 1, hour


@pytest.mark.parametrize(
    "fault",
    [
        faults.reset_in_body(),
        faults.hang(),
    ],
    ids=name_of,
)
def test_passing_failure_is_retried(
    fault: Fault, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    source.faults.push(fault, path=LATEST)
    run = program.run_job(HTTP_TIMEOUT_SECONDS="1")
    assert run.code == 0, run.log
    table.assert_right(3)


@pytest.mark.parametrize("asked", [2, None], ids=["Retry-After", "no Retry-After"])
def test_rate_limit_is_waited_out(asked: int | None, program: Installation, table: PriceAudit) -> None:
    """The next try comes after Retry-After, or without one in the next minute."""
    program.clock = SteppedClock(datetime.now(timezone.utc).replace(second=59, microsecond=0))
    with FaultySource(clock=lambda: datetime.now(timezone.utc)) as source:
        source.faults.push(faults.refused(1008, retry_after_seconds=asked), path=LATEST)
        run = program.run_job(CMC_BASE_URL=source.base_url, CMC_API_KEY=source.key)
        first, second = [request.at for request in source.requests if request.path.endswith(LATEST)]
    assert (run.code, len(table.rows())) == (0, 3), run.log
    assert second - first >= timedelta(seconds=2)


@pytest.mark.parametrize("hours", [-1, 1], ids=["an hour behind", "an hour ahead"])
def test_host_clock_an_hour_off_stores_nothing(
    hours: int, program: Installation, clock: SteppedClock, table: PriceAudit
) -> None:
    program.clock = SteppedClock(clock() + timedelta(hours=hours))
    run = program.run_job()
    assert run.code == 1
    assert f"{13 if hours > 0 else 11}:35:07" in run.errors[0]
    assert "12:35:07" in run.errors[0]
    assert (program.spooled, table.rows()) == ([], [])


def test_redirect_is_not_followed(
    program: Installation, source: FaultySource, clock: SteppedClock, table: PriceAudit
) -> None:
    """The other host receives no request, so it cannot learn the key."""
    with FaultySource(clock=clock) as elsewhere:
        source.faults.push(faults.redirect(f"{elsewhere.base_url}/v3/cryptocurrency/quotes/latest"), path=LATEST)
        run = program.run_job()
        assert elsewhere.requests == []
    assert (run.code, "redirect" in run.errors[0], table.rows()) == (1, True, [])


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [((), "NOPE"), ((), "ETH:990404"), (("backfill", "2"), "NOPE"), (("heal", "2"), "ETH:990404")],
)
def test_one_unknown_symbol_never_affects_the_others(
    arguments: tuple[str, ...], wrong: str, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """A ticker that no coin has, or an id that no coin has: exit code 1 names it."""
    run = program.run_job(*arguments, SYMBOLS=f"BTC,{wrong},SOL")
    assert run.code == 1
    assert wrong.partition(":")[0] in run.errors[-1]
    assert sorted({row.symbol for row in table.rows()}) == ["BTC", "SOL"]
    table.assert_right()
    assert len(source.requests) < 9


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("backfill", faults.odd_fields(1, symbol=None)),
        ("heal", faults.odd_price(1, "12")),
    ],
)
def test_past_hours_without_a_valid_price_fail(
    kind: str, fault: Fault, program: Installation, source: FaultySource, *, sql: Sql, table: PriceAudit
) -> None:
    source.faults.push(fault, path="/quotes/historical", times=99)
    run = program.run_job(kind, "24", SYMBOLS="BTC:1")
    assert (run.code, len(run.errors)) == (1, 1), run.log
    assert "CoinMarketCap gave no valid price" in run.errors[0]
    assert "] run failed " in run.log
    assert 1 <= run.log.count("quote=") <= 2
    recorded = sql("SELECT kind, status, error FROM crypto.etl_runs")
    assert recorded == [(kind, "failed", "CoinMarketCap gave no valid price")]
    assert table.rows() == []


@pytest.mark.parametrize("kind", ["run", "backfill"])
def test_run_fails_when_the_database_rejects_every_row(
    kind: str, program: Installation, sql: Sql, table: PriceAudit
) -> None:
    assert program.command("setup_db").code == 0
    sql("ALTER TABLE crypto.crypto_prices ADD CONSTRAINT one CHECK price < 0")

    run = program.run_job(*([kind, "3"] if kind == "backfill" else []))

    assert (run.code, len(run.errors)) == (1, 1), run.log
    assert "the database refused every row of a batch" in run.errors[0]
    assert "VIOLATED_CONSTRAINT" in run.log
    assert "stored=" not in run.log
    recorded = sql("SELECT kind, status, inserted FROM crypto.etl_runs")
    assert recorded == [(kind, "failed", 0)]
    assert table.rows() == []

"""The source answers badly: one line tells why, and nothing that is not valid is stored or spooled."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from tests.support import faults
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import Installation
from tests.support.price_audit import PriceAudit
from tests.support.stepped_clock import SteppedClock

LATEST = "/quotes/latest"
NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone.utc)
"""Where the clock of these tests stands."""
BTC, ETH = 1, 1027
QUICK = {"RUN_TIMEOUT_SECONDS": "4"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.null_price(ETH), "no price (null)"),
        (faults.nan_price(ETH), "is not a number: 'NaN'"),
        (faults.odd_price(ETH, math.inf), "is not a number: 'Infinity'"),
        (faults.odd_price(ETH, 0), "not a price: 0"),
        (faults.odd_price(ETH, -1.5), "not a price: -1.5"),
        (faults.odd_price(ETH, "12"), "price is not a number"),
        (faults.frozen_quote(ETH, NOW + timedelta(hours=1)), "from the future (2026-11-23 13:35:07"),
        (faults.frozen_quote(ETH, NOW - timedelta(hours=25)), "stale: last updated 2026-11-22 11:35:07"),
        (faults.renamed(ETH, "ETHX"), "'ETHX', not 'ETH'"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_bad_quote_is_left_out_and_named(
    fault: Fault, reason: str, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """The coin is told with its symbol and the reason; the other coins are stored, and the run counts as done."""
    source.faults.push(fault, path=LATEST)
    run = program.run_job()
    assert run.code == 0
    told = [line for line in run.log.splitlines() if "rejected" in line and "ETH (id 1027)" in line]
    assert len(told) == 1, run.log
    assert reason in told[0]
    assert "rejected=1" in run.log
    assert {row.symbol for row in table.rows()} == {"BTC", "SOL"}
    table.assert_right()


@pytest.mark.parametrize(
    ("arguments", "path"), [((), LATEST), (("backfill", "2"), "/quotes/historical")], ids=["run", "backfill"]
)
def test_a_bad_field_beside_the_price_costs_no_row(
    arguments: tuple[str, ...], path: str, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """The row is stored without it, and the coin is told with what was wrong, but not as rejected."""
    source.faults.push(faults.odd_fields(ETH, volume_24h="much", market_cap=True, name="E" * 300), path=path)
    run = program.run_job(*arguments)
    assert run.code == 0
    assert "rejected=0" in run.log
    told = [line for line in run.log.splitlines() if "ETH (id 1027)" in line and "stored, but" in line]
    assert len(told) == 3, run.log
    assert "volume_24h is not a number: 'much'; it is left empty" in "".join(told)
    assert "; it is cut" in "".join(told)
    rows = [row for row in table.rows() if row.symbol == "ETH"]
    assert len(rows) == (2 if arguments else 1)
    table.assert_right()


@pytest.mark.parametrize(
    ("stamp", "stored"),
    [
        ("", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-11-23T09:04:00", "2026-11-23 12:34:00"),
        ("2026-11-23T09:04:00.12Z", "2026-11-23 12:34:00"),
        ("2026-11-23T09:04:00.9999999+0000", "2026-11-23 12:34:00"),
    ],
)
def test_an_odd_time_of_update_costs_no_row(
    program: Installation,
    source: FaultySource,
    embedded: ClickHouseAdapter,
    database: str,
    *,
    stamp: str,
    stored: str | None,
) -> None:
    """It is read as what is meant, or left empty with a warning; the price is stored like the others."""
    source.faults.push(faults.odd_fields(ETH, last_updated=stamp), path=LATEST)
    run = program.run_job()
    assert (run.code, "rejected=0" in run.log) == (0, True), run.log
    assert ("last_updated is not a time" in run.log) is (stored is None)
    sql = f"SELECT source_updated_at FROM {database}.crypto_prices WHERE symbol = 'ETH'"
    assert embedded.query(sql) == [(stored,)]


def test_a_coin_that_comes_twice_is_stored_once(program: Installation, source: FaultySource, table: PriceAudit) -> None:
    """The first of the two stands; the second is told."""
    source.faults.push(faults.duplicated(ETH), path=LATEST)
    run = program.run_job()
    assert "the source gave this coin twice" in run.log
    assert len(table.rows()) == 3
    table.assert_right()


def test_a_coin_that_is_left_out_is_reported(program: Installation, source: FaultySource, table: PriceAudit) -> None:
    """No quote, no row: the price of an hour is never invented."""
    source.faults.push(faults.left_out(ETH), path=LATEST)
    assert "ETH (id 1027)" in program.run_job().log
    assert {row.symbol for row in table.rows()} == {"BTC", "SOL"}


@pytest.mark.parametrize("price", [1e-12, 1.2345678901234567e-12, 1e12, 123456789012.34567, 0.1 + 0.2])
def test_prices_keep_every_digit(price: float, program: Installation, source: FaultySource, table: PriceAudit) -> None:
    """From 1e-12 to 1e12 the stored double is the very one that the source gave."""
    source.faults.push(faults.odd_price(ETH, price), path=LATEST)
    assert program.run_job().code == 0
    assert {row.price for row in table.rows() if row.symbol == "ETH"} == {price}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.truncated_json(), "JSON that breaks off"),
        (faults.html_page(200), "HTTP 200 with a page of HTML"),
        (faults.html_page(403), "gatekeeper"),
        (faults.html_page(502), "HTTP 502 with a page of HTML"),
        (faults.gateway_error(503), "HTTP 503"),
        (faults.empty_data(), "no valid price"),
        (faults.no_data(), "without data"),
        (faults.wrong_types(), "status"),
        (faults.plain_body(b""), "an empty body"),
        (faults.plain_body(b"[]"), "status"),
        (faults.plain_body(b"null"), "status"),
        (faults.huge_body(megabytes=100), "larger than"),
        (faults.huge_body(megabytes=100, declared=True), "larger than"),
        (faults.gzip_bomb(megabytes=100), "larger than"),
        (faults.slow_drip(), "not done within 4 s"),
        (faults.reset_in_body(), "broke off"),
        (faults.reset_before_answer(), "broke off"),
        (faults.refused(1001), "the API key is not valid"),
        (faults.refused(1010, as_text=True), "the month's credits are used up"),
        (faults.refused(1008, retry_after_seconds=3000), "calls for this minute are used up"),
        (faults.refused(500), "overloaded or failing"),
        (faults.refused(1001, status=200), "the API key is not valid"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_bad_answer_is_one_line_and_nothing_stored(
    fault: Fault, words: str, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """Exit 1 with one line of error that names the cause; no row, nothing in the spool."""
    source.faults.push(fault, path=LATEST, times=99)
    run = program.run_job(**QUICK)
    source.faults.release()
    assert run.code == 1
    assert len(run.errors) == 1, run.log
    assert words in run.errors[0] or ("not done within" in run.errors[0] and words in run.log), run.log
    assert "Traceback" not in run.log
    assert (program.spooled, table.rows()) == ([], [])


@pytest.mark.parametrize(
    "fault",
    [
        faults.refused(1008, retry_after_seconds=0),
        faults.busy_keyless(),
        faults.gateway_error(),
        faults.reset_in_body(),
        faults.html_page(502),
        faults.truncated_json(),
        faults.text_code(),
    ],
    ids=lambda fault: fault.name,
)
def test_what_passes_is_waited_for(
    fault: Fault, program: Installation, source: FaultySource, table: PriceAudit
) -> None:
    """A failure that is over at the next try costs nothing: the same run stores the hour."""
    source.faults.push(fault, path=LATEST)
    run = program.run_job()
    assert run.code == 0, run.log
    assert len(table.rows()) == 3
    table.assert_right()


@pytest.mark.parametrize("asked", [2, None], ids=["Retry-After", "no Retry-After"])
def test_a_limit_is_waited_out(asked: int | None, program: Installation, table: PriceAudit) -> None:
    """The next try comes no sooner than Retry-After says, and without one no sooner than the next minute."""
    program.clock = SteppedClock(datetime.now(timezone.utc).replace(second=59, microsecond=0))
    with FaultySource(clock=lambda: datetime.now(timezone.utc)) as source:
        source.faults.push(faults.refused(1008, retry_after_seconds=asked), path=LATEST)
        run = program.run_job(CMC_BASE_URL=source.base_url, CMC_API_KEY=source.key)
        first, second = [request.at for request in source.requests if request.path.endswith(LATEST)]
    assert run.code == 0, run.log
    assert second - first >= timedelta(seconds=2)
    assert "wait='2.0 s'" in run.log
    assert len(table.rows()) == 3


@pytest.mark.parametrize("hours", [-1, 1], ids=["an hour behind", "an hour ahead"])
def test_a_host_clock_an_hour_off_stores_nothing(
    hours: int, program: Installation, clock: SteppedClock, table: PriceAudit
) -> None:
    """Prices would go under the wrong hour: exit 1, both times are told, nothing is stored or spooled."""
    program.clock = SteppedClock(clock() + timedelta(hours=hours))
    run = program.run_job()
    assert run.code == 1
    assert "this host's clock says 2026-11-23 1" in run.errors[0]
    assert "CoinMarketCap's 2026-11-23 12:35:07" in run.errors[0]
    assert "set this host's clock" in run.errors[0]
    assert (program.spooled, table.rows()) == ([], [])


def test_a_redirect_is_not_followed(
    program: Installation, source: FaultySource, clock: SteppedClock, table: PriceAudit
) -> None:
    """The host that the redirect names is never asked, so it cannot learn the key."""
    with FaultySource(clock=clock) as elsewhere:
        source.faults.push(faults.redirect(f"{elsewhere.base_url}/v3/cryptocurrency/quotes/latest"), path=LATEST)
        run = program.run_job()
        assert elsewhere.requests == []
    assert run.code == 1
    assert "redirect" in run.errors[0]
    assert table.rows() == []


def test_without_a_key_the_public_api_serves_the_run(program: Installation, table: PriceAudit) -> None:
    """No key is no fault for the hourly run; a backfill says what to set."""
    keyless = {"CMC_API_KEY": ""}
    assert program.run_job(**keyless).code == 0
    table.assert_right()
    backfill = program.run_job("backfill", "3", **keyless)
    assert backfill.code == 1
    assert "set CMC_API_KEY" in backfill.errors[0]

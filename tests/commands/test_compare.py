"""``compare``: what CoinMarketCap says against what Binance says, as the operator sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.retry import RetryPolicy
from adapters._bases.tehran_time import hour_key, hours_before
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.binance_table import BINANCE_PRICES
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES
from adapters.files.locks import ProcessLock
from sandbox.exchange_server import ExchangeStandIn
from sandbox.market import Market, listed_coins
from tests.support.installation import Finished, Installation
from tests.support.price_table import fingerprint, typed
from tests.support.stepped_clock import SteppedClock
from tests.support.two_markets import walk

_SUPPORT = Path(__file__).parents[1] / "support"
MAIN_AT, RUN_AT = str(_SUPPORT / "main_at.py"), str(_SUPPORT / "run_at.py")


class Tables:
    """Both tables, made and filled past the program, of the 168 hours before the present one."""

    def __init__(self, program: Installation, embedded: ClickHouseAdapter, database: str) -> None:
        for kind, table in (
            (CoinMarketCapClickHouseAdapter, CRYPTO_PRICES),
            (BinanceClickHouseAdapter, BINANCE_PRICES),
        ):
            made = kind(
                table=table, clickhouse=embedded, database=database, retry=RetryPolicy(attempts=1), clock=program.clock
            )
            made.ensure_ready()
        self.hours = [hour_key(start) for start in hours_before(program.clock(), 168)]
        self._program, self._embedded, self._database = program, embedded, database

    def quote(self, symbol: str, prices: Sequence[float], hours: Sequence[str] | None = None) -> None:
        """Store CoinMarketCap's prices in USD."""
        columns = typed("symbol", "fetched_at", "price", "currency", "cmc_id")
        rows = [(symbol, hour, price, "USD", 1) for hour, price in zip(hours or self.hours, prices, strict=False)]
        self._embedded.insert(f"{self._database}.crypto_prices", columns, rows)

    def trade(
        self, symbol: str, prices: Sequence[float], *, currency: str = "USDT", hours: Sequence[str] | None = None
    ) -> None:
        """Store Binance's prices of the pair of a symbol and a currency."""
        names = ("symbol", "fetched_at", "pair", "price", "high", "low", "close", "currency", "candles")
        columns = {name: BINANCE_PRICES.types[name] for name in names}
        rows = [
            (symbol, hour, symbol + currency, price, price, price, price, currency, 2)
            for hour, price in zip(hours or self.hours, prices, strict=False)
        ]
        self._embedded.insert(f"{self._database}.binance_prices", columns, rows)

    def compare(self, *arguments: str) -> Finished:
        """Run the command at the time of the clock."""
        return self._run("compare", *arguments)

    def verify(self) -> Finished:
        """Look through both tables at that time."""
        return self._run("verify")

    def report(self) -> Path:
        """Write the report at that time, and return where it is."""
        done = self._run("report", "--quiet")
        assert done.code == 0, done.log
        return Path(done.out.strip())

    def _run(self, *arguments: str) -> Finished:
        return self._program.start(MAIN_AT, self._program.clock().isoformat(), *arguments).ended()

    def document(self, *arguments: str) -> Any:
        """What it says with ``--json``."""
        done = self.compare("--json", *arguments)
        assert done.log == ""
        found = json.loads(done.out)
        assert done.code == int(found["differs"])
        return found

    def state(self) -> object:
        """All that is stored, so that a change shows."""
        counts = self._embedded.query(
            f"SELECT count(), sum(cityHash64(symbol, datetime, price)) FROM {self._database}.binance_prices FINAL"
        )
        return fingerprint(self._embedded, self._database), counts


@pytest.fixture
def tables(program: Installation, embedded: ClickHouseAdapter, database: str) -> Tables:
    """Both tables, empty."""
    return Tables(program, embedded, database)


def test_sources_that_agree_pass(tables: Tables) -> None:
    """Exit code 0, a row for each symbol that both have, and a note that USDT is taken for a dollar."""
    for number, symbol in enumerate(("BTC", "ETH")):
        tables.quote(symbol, walk(168, seed=number))
        tables.trade(symbol, walk(168, seed=number))
    done = tables.compare()
    assert (done.code, done.log) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "symbol pair hours median largest at (Tehran) over 1 %" in lines
    assert f"BTC BTCUSDT 168/0/0 0.00 % +0.00 % {tables.hours[0][:16]} 0" in lines
    assert f"ETH ETHUSDT 168/0/0 0.00 % +0.00 % {tables.hours[0][:16]} 0" in lines
    assert "note: USDT is taken for a dollar in 336 h; with USDT in SYMBOLS its own price is used" in lines
    assert lines[-1] == "no hour of 336 is over 1 %"


@pytest.fixture
def exchange(program: Installation, clock: SteppedClock) -> Iterator[ExchangeStandIn]:
    """Binance, with the market that the program's CoinMarketCap has."""
    with ExchangeStandIn(Market(listed_coins()), clock=clock) as serving:
        program.settings["BINANCE_BASE_URL"] = serving.base_url
        yield serving


def carry_out(program: Installation, command: str) -> int:
    """Run a command of a job as it is printed, at the time of the clock; its exit code."""
    words = command.split()
    assert words[:2] == ["./run.sh", "cron_backfill"]
    return program.start(RUN_AT, program.clock().isoformat(), words[2], "backfill", *words[3:]).ended().code


@pytest.mark.usefixtures("exchange")
def test_what_both_pipelines_fetch_of_one_market_agrees(program: Installation, clock: SteppedClock) -> None:
    """Two days by their own backfills, and the hour that goes on by their runs: nothing is over or suspected."""
    for job in ("cmc_hourly_prices", "binance_hourly_prices"):
        assert carry_out(program, f"./run.sh cron_backfill {job} 48") == 0
        assert program.start(RUN_AT, clock().isoformat(), job).ended().code == 0
    done = program.start(MAIN_AT, clock().isoformat(), "compare", "48", "--json").ended()
    assert (done.code, done.log) == (0, "")
    found = json.loads(done.out)["symbols"]
    assert [(one["symbol"], one["hours_compared"]) for one in found] == [("BTC", 48), ("ETH", 48), ("SOL", 48)]
    assert all(one["median_percent"] < 0.5 for one in found)


@pytest.mark.usefixtures("exchange")
@pytest.mark.parametrize("table", ["crypto_prices", "binance_prices"])
def test_the_commands_that_it_names_mend_it(
    program: Installation, clock: SteppedClock, embedded: ClickHouseAdapter, database: str, table: str
) -> None:
    """Whichever source's prices went wrong: taken as they are printed, they bring the right ones back."""
    for job in ("cmc_hourly_prices", "binance_hourly_prices"):
        assert carry_out(program, f"./run.sh cron_backfill {job} 24") == 0
    hour = hour_key(hours_before(clock(), 5)[0])
    embedded.command(
        f"ALTER TABLE {database}.{table} UPDATE price = price * 1.2 WHERE symbol = 'ETH' AND datetime = '{hour}' "
        "SETTINGS mutations_sync = 2"
    )
    wrong = program.start(MAIN_AT, clock().isoformat(), "compare").ended()
    assert wrong.code == 1
    commands = [line.strip() for line in wrong.out.splitlines() if "cron_backfill" in line]
    assert [command.split()[-1] for command in commands] == ["5", "5"]
    assert [carry_out(program, command) for command in commands] == [0, 0]
    assert program.start(MAIN_AT, clock().isoformat(), "compare").ended().code == 0


def test_an_hour_over_the_tolerance_is_listed(tables: Tables) -> None:
    """With both prices, the deviation, and the commands that fetch it once more: exit code 1."""
    prices = walk(168)
    tables.quote("BTC", [*prices[:160], prices[160] * 1.05, *prices[161:]])
    tables.trade("BTC", prices)
    done = tables.compare()
    assert done.code == 1
    hour = tables.hours[160]
    expected = f"{hour[:16]}: +5.00 %: CoinMarketCap {prices[160] * 1.05:.8g}, Binance {prices[160]:.8g}"
    assert f"  {expected}" in done.out.splitlines()
    assert "1 hour of 1 symbol over 1 %" in done.out
    assert done.out.splitlines()[-2:] == [
        "  ./run.sh cron_backfill binance_hourly_prices 8",
        "  ./run.sh cron_backfill cmc_hourly_prices 8",
    ]


def test_the_tolerance_and_the_hours_are_the_operators(tables: Tables) -> None:
    """An hour before the span does not count, nor one within the tolerance."""
    prices = walk(168)
    tables.quote("BTC", [*prices[:160], prices[160] * 1.05, *prices[161:]])
    tables.trade("BTC", prices)
    assert tables.compare("8").code == 1
    assert tables.compare("7").code == 0
    assert tables.compare("--tolerance", "5.1").code == 0
    assert tables.compare("--tolerance", "4.9").code == 1


def test_stale_prices_are_found(tables: Tables) -> None:
    """CoinMarketCap repeats a price for twelve hours while Binance moves."""
    prices = walk(168, percent=3)
    tables.quote("BTC", [*prices[:100], *[prices[100]] * 12, *prices[112:]])
    tables.trade("BTC", prices)
    done = tables.compare()
    assert done.code == 1
    span = f"from {tables.hours[100][:16]} to {tables.hours[111][:16]}"
    assert f"looks stale: CoinMarketCap has {prices[100]:.8g} {span}" in done.out


def test_shifted_prices_are_found_though_none_is_over(tables: Tables) -> None:
    """In a quiet market a shift by an hour stays within the tolerance, and is wrong all the same: exit code 1."""
    prices = walk(169, percent=0.5)
    tables.quote("BTC", prices)
    tables.trade("BTC", prices[1:])
    done = tables.compare()
    assert done.code == 1
    assert "looks shifted: CoinMarketCap's prices fit Binance's of an hour earlier, all along" in done.out
    assert "no hour of 168 is over 1 %, and still 1 symbol must be wrong" in done.out
    assert "./run.sh cron_backfill cmc_hourly_prices 168" in done.out


def test_swapped_prices_are_found(tables: Tables) -> None:
    """Two symbols with each other's price for an hour are both named, the third is not."""
    bitcoin, ether, solana = walk(168, start=90_000), walk(168, start=3_000, seed=2), walk(168, start=150, seed=3)
    tables.quote("BTC", [*bitcoin[:40], ether[40], *bitcoin[41:]])
    tables.quote("ETH", [*ether[:40], bitcoin[40], *ether[41:]])
    tables.quote("SOL", solana)
    for symbol, prices in (("BTC", bitcoin), ("ETH", ether), ("SOL", solana)):
        tables.trade(symbol, prices)
    done = tables.compare()
    assert done.code == 1
    assert "looks swapped: BTC and ETH have each other's price at CoinMarketCap" in done.out
    assert "looks swapped: ETH and BTC have each other's price at CoinMarketCap" in done.out
    assert "2 hours of 2 symbols over 1 %" in done.out
    assert "\nSOL\n" not in done.out


def test_a_stored_price_of_usdt_converts(tables: Tables) -> None:
    """A USDT at 0.97 makes every price differ, unless its own price of the hour is stored."""
    prices = walk(168)
    tables.quote("BTC", [price * 0.97 for price in prices])
    tables.trade("BTC", prices)
    assert tables.compare().code == 1
    tables.quote("USDT", [0.97] * 168)
    done = tables.compare()
    assert done.code == 0
    assert "note: 168 h are converted by the coin's own price at CoinMarketCap" in done.out
    assert "note: only from CoinMarketCap: USDT" in done.out
    assert "taken for a dollar" not in done.out


def test_euros_are_not_compared_with_dollars(tables: Tables) -> None:
    """They are named with what to do: nothing differs, so the exit code is 0."""
    prices = walk(168)
    tables.quote("BTC", prices)
    tables.trade("BTC", [price * 0.9 for price in prices], currency="EUR")
    done = tables.compare()
    assert done.code == 0
    assert "note: BTC: 168 h of EUR with USD are not compared" in done.out
    assert "BINANCE_PAIRS" in done.out
    assert done.out.endswith("no hour of 0 is over 1 %\n")


def test_no_hour_is_filled_from_the_other_source(tables: Tables) -> None:
    """Hours that one lacks are counted, and both tables stay as they are to the last bit."""
    prices = walk(168)
    tables.quote("BTC", prices[:100], tables.hours[:100])
    tables.trade("BTC", prices[90:], hours=tables.hours[90:])
    before = tables.state()
    done = tables.compare()
    assert done.code == 0
    assert "BTC     BTCUSDT  10/90/68" in done.out
    assert tables.state() == before


def test_json_has_every_hour(tables: Tables) -> None:
    """The same for machines: figures as numbers, each hour over the tolerance with what it looks like."""
    prices = walk(168, percent=3)
    tables.quote("BTC", [*prices[:100], *[prices[100]] * 60, *prices[160:]])
    tables.trade("BTC", prices[1:], hours=tables.hours[1:])
    tables.quote("XRP", [1.0])
    tables.trade("ADA", [1.0])
    tables.trade("BTC", prices[:1], hours=tables.hours[:1])
    found = tables.document()
    assert (found["schema_version"], found["tolerance_percent"], found["differs"]) == (1, 1.0, True)
    assert (found["now"], found["first_hour"], found["last_hour"]) == (
        "2026-11-23 15:37:09",
        tables.hours[0],
        tables.hours[-1],
    )
    assert (found["only_coinmarketcap"], found["only_binance"]) == (["XRP"], ["ADA"])
    (bitcoin,) = found["symbols"]
    assert (bitcoin["symbol"], bitcoin["pair"]) == ("BTC", "BTCUSDT")
    assert bitcoin["hours_in_both"] == bitcoin["hours_compared"] == 168
    over = bitcoin["over"]
    assert len(over) > 30
    assert {one["looks"] for one in over if tables.hours[100] <= one["hour"] < tables.hours[160]} == {"stale"}
    largest = max(over, key=lambda one: abs(one["percent"]))
    assert (bitcoin["largest_hour"], bitcoin["largest_percent"]) == (largest["hour"], largest["percent"])
    assert largest["percent"] == pytest.approx((largest["coinmarketcap"] / largest["binance"] - 1) * 100)
    assert [one["looks"] for one in bitcoin["looks"]] == ["stale"]


def test_a_long_list_is_cut_and_says_so(tables: Tables) -> None:
    """Ten ranges of a symbol are shown."""
    prices = walk(168)
    tables.quote("BTC", [price * (1.1 if number % 2 else 1) for number, price in enumerate(prices)])
    tables.trade("BTC", prices)
    done = tables.compare()
    assert done.out.count("+10.00 %: CoinMarketCap") == 10
    assert "  … and 74 more; --json has every hour\n" in done.out


def test_verify_has_a_line_of_it(tables: Tables) -> None:
    """What agrees is good, what is merely over the tolerance is told, and what cannot be right is wrong."""
    prices = walk(168, percent=0.5)
    tables.trade("BTC", prices)
    assert "two sources" not in tables.verify().out
    tables.quote("BTC", prices)
    done = tables.verify()
    assert re.search(r"^two sources, 168 h +ok +no hour of 168 is over 1 %", done.out, re.MULTILINE)
    tables.quote("ETH", [*prices[:100], prices[100] * 1.03, *prices[101:]])
    tables.trade("ETH", prices)
    done = tables.verify()
    assert re.search(r"^two sources, 168 h +warn +1 hour of 1 symbol over 1 %", done.out, re.MULTILINE)
    assert "two sources, 168 h: ./run.sh compare" in done.out
    assert done.code == 0
    tables.quote("SOL", [*prices[:100], prices[100] * 1.06, *prices[101:]])
    tables.trade("SOL", prices)
    done = tables.verify()
    assert re.search(r"^two sources, 168 h +fail +2 hours of 2 symbols over 1 %", done.out, re.MULTILINE)
    assert done.code == 1


def test_verify_names_what_looks_wrong(tables: Tables) -> None:
    """Though no hour is over the tolerance."""
    prices = walk(169, percent=0.5)
    tables.quote("BTC", prices)
    tables.trade("BTC", prices[1:])
    done = tables.verify()
    assert done.code == 1
    assert "BTC looks shifted: CoinMarketCap's prices fit Binance's of an hour earlier, all along" in done.out


@pytest.mark.parametrize(
    ("stored", "lacking", "step"),
    [
        ("CoinMarketCap", "Binance", "./run.sh cron_backfill binance_hourly_prices 168"),
        ("Binance", "CoinMarketCap", "./run.sh cron_backfill cmc_hourly_prices 168"),
    ],
)
def test_a_source_that_never_ran_is_named(tables: Tables, stored: str, lacking: str, step: str) -> None:
    """With the command that fetches its prices: nothing differs, so the exit code is 0."""
    if stored == "Binance":
        tables.trade("BTC", walk(168))
    else:
        tables.quote("BTC", walk(168))
    done = tables.compare()
    assert done.code == 0
    assert done.out.splitlines() == [
        f"nothing to compare: no price of these 168 hours is stored from {lacking}",
        f"next: {step}",
    ]
    assert tables.document()["symbols"] == []


def test_what_a_backfill_lacks_is_said_first(tables: Tables, program: Installation) -> None:
    """Without a key CoinMarketCap gives no past hour."""
    tables.trade("BTC", walk(168))
    program.settings["CMC_API_KEY"] = ""
    assert "next: set CMC_API_KEY, then ./run.sh cron_backfill cmc_hourly_prices 168" in tables.compare().out


def test_sources_without_a_common_symbol_have_nothing_to_compare(tables: Tables) -> None:
    """It names the commands that fetch what is followed now."""
    tables.quote("BTC", [1.0])
    tables.trade("ETH", [1.0])
    done = tables.compare()
    assert done.code == 0
    assert "no symbol of these 168 hours is stored from both sources" in done.out
    assert "next: ./run.sh cron_backfill binance_hourly_prices 168" in done.out
    assert "next: ./run.sh cron_backfill cmc_hourly_prices 168" in done.out


def test_a_missing_table_is_a_source_that_never_ran(tables: Tables, embedded: ClickHouseAdapter, database: str) -> None:
    """As on a host that was set up before there was a second source."""
    tables.quote("BTC", walk(168))
    for view in ("binance_prices_latest", "binance_prices_daily", "binance_prices_hourly"):
        embedded.command(f"DROP VIEW {database}.{view}")
    embedded.command(f"DROP TABLE {database}.binance_prices")
    done = tables.compare()
    assert (done.code, done.log) == (0, "")
    assert "is stored from Binance" in done.out


def test_a_missing_view_is_an_error(tables: Tables, embedded: ClickHouseAdapter, database: str) -> None:
    """Prices that stand in a table without its view are not taken for none: exit code 1, with the next step."""
    tables.quote("BTC", walk(168))
    tables.trade("BTC", walk(168))
    embedded.command(f"DROP VIEW {database}.binance_prices_hourly")
    done = tables.compare()
    assert (done.code, done.out) == (1, "")
    assert f"error: there is no {database}.binance_prices_hourly" in done.log
    assert "next: run `./run.sh setup_db`" in done.log


@pytest.mark.parametrize(
    "arguments",
    [("0",), ("--", "-3"), ("many",), ("100001",), ("--tolerance", "-1"), ("--tolerance", "nan"), ("--tolerance", "x")],
)
def test_what_is_no_number_is_refused(program: Installation, arguments: tuple[str, ...]) -> None:
    """A matter of usage: exit code 2, before the database is looked for."""
    done = program.command("compare", *arguments)
    assert (done.code, done.out) == (2, "")


def test_a_fresh_host_stays_as_it_is(embedded_program: Installation) -> None:
    """Looking for what is stored makes no database: exit code 1, and the next step."""
    done = embedded_program.command("compare")
    assert done.code == 1
    assert "there is no database yet" in done.log
    assert not embedded_program.data.exists()


def test_a_job_that_has_the_engine_is_named(embedded_program: Installation, clock: SteppedClock) -> None:
    """While a job has the embedded engine open, it says who, after a short wait: exit code 75."""
    assert embedded_program.command("setup_db").code == 0
    with ProcessLock(embedded_program.data / "clickhouse.lock", task="binance_hourly_prices run", clock=clock):
        done = embedded_program.command("compare")
    assert done.code == 75
    assert "binance_hourly_prices run" in done.log


def test_the_report_has_it_as_a_section(tables: Tables) -> None:
    """Where both sources are stored, and not before."""
    prices = walk(168)
    tables.quote("BTC", [*prices[:160], prices[160] * 1.05, *prices[161:]])
    assert "comparison-table" not in tables.report().read_text()
    tables.trade("BTC", prices)
    page = tables.report().read_text()
    assert 'id="comparison-table"' in page
    assert "1 hour of 1 symbol over 1 %" in page

"""The page as a text: valid, self-contained, true to its contents, and deaf to what foreign texts hold."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import random
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.hourly_table import Correction, Corrections, StoredPrice
from adapters._bases.wording import duration
from reports import price_report
from reports.price_report import LIBRARY, UNKNOWN, build_page, percent_text, period_text, price_text
from tests.support.report_contents import (
    hour_keys,
    page_of,
    price_wave,
    report_contents,
    stored_price,
    stored_run,
    table_of,
)
from tests.support.two_markets import candles_of, quotes_of, walk
from transformers.comparison import Overview, compare_symbol

PACKAGE, VERSION = "plotly.js-cartesian-dist-min", "4.1.1"
"""The npm package; of those of plotly.js the smallest that draws lines and heat maps."""
PUBLISHED = {
    f"plotly-cartesian-{VERSION}.min.js": "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a",
    f"plotly-cartesian-{VERSION}.LICENSE": "8c45d9eaf50c2f72dd9c7ab9ef440788ba58a3538484b5c51c1f17d5128752e7",
}
"""SHA-256 of `plotly-cartesian.min.js` and `LICENSE` in that package."""
PAGE = Path(price_report.__file__).with_name("page")
HOURS = hour_keys(6)
# A strict parser takes these for errors, though a browser shows the page all the same.
NONCHARACTERS = "".join(chr(code) for code in range(0x110000) if 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)
FOREIGN = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters=NONCHARACTERS),
    min_size=1,
    max_size=30,
) | st.sampled_from(
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "]]>",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "&lt;b&gt;",
        "\u2028",
        "'\"`",
    ]
)
PRICES = st.builds(
    StoredPrice,
    symbol=FOREIGN,
    datetime=st.sampled_from(HOURS),
    name=FOREIGN,
    price=st.floats(),
    market_cap=st.none() | st.floats(),
    currency=FOREIGN,
    is_updated=st.booleans(),
)


def data_of(tree: Any) -> dict[str, Any]:
    packed = base64.b64decode(tree.find(".//script[@id='data']").text, validate=True)
    found: dict[str, Any] = json.loads(gzip.decompress(packed), parse_constant=pytest.fail)
    return found


def coin_rows(tree: Any) -> list[Any]:
    rows: list[Any] = tree.findall(".//table[@id='coin-table']/tbody/tr")
    return rows


def cells_of(tree: Any, symbol: str) -> list[str]:
    [row] = [row for row in coin_rows(tree) if row.attrib["data-symbol"] == symbol]
    return ["".join(cell.itertext()) for cell in row]


def text_of(tree: Any, path: str) -> str:
    return "".join(tree.find(path).itertext())


@given(prices=st.lists(PRICES, max_size=8), error=FOREIGN)
def test_foreign_texts_and_numbers_do_not_break_the_page(prices: list[StoredPrice], error: str) -> None:
    contents = report_contents(prices, hours=HOURS, runs=[stored_run(error=error)])
    tree = page_of(contents)
    data = data_of(tree)

    assert len(tree.findall(".//script")) == 3
    assert {one["label"] for one in data["symbols"]} == {"BTC", "ETH", "SOL", *(price.symbol for price in prices)}
    assert data["runs"][0]["error"] == error
    for one in data["symbols"]:
        assert len(one["prices"]) == len(one["states"]) == len(HOURS)


def test_policy_names_scripts_by_their_hashes() -> None:
    """What runs is the library and the page's program, to the byte; nothing may be loaded from anywhere."""
    page = build_page(report_contents(price_wave(1, HOURS), hours=HOURS))
    tree: Any = html5lib.parse(page, namespaceHTMLElements=False)
    policy = tree.find(".//meta[@http-equiv='Content-Security-Policy']").attrib["content"]
    scripts = [script.text for script in tree.findall(".//script") if "type" not in script.attrib]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]

    assert policy.startswith("default-src 'none'; ")
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert scripts[0].encode() == (PAGE / LIBRARY).read_bytes()
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_no_element_points_outside() -> None:
    tree = page_of(report_contents(price_wave(3, HOURS), hours=HOURS, runs=[stored_run()]))
    names = ("src", "href", "action", "srcset", "data", "poster", "formaction")
    found = [element.attrib[name] for element in tree.iter() for name in names if name in element.attrib]

    assert found == ["data:,", "#main"]
    assert "url(" not in text_of(tree, ".//style")
    assert "@import" not in text_of(tree, ".//style")


def test_totals_and_tables_show_what_is_stored() -> None:
    prices = [price for price in price_wave(3, HOURS) if (price.symbol, price.datetime) != ("ETH", HOURS[2])]
    runs = [stored_run(credits=2), stored_run(95, status="failed", error="no answer", credits=1)]
    tree = page_of(report_contents(prices, hours=HOURS, runs=runs))

    totals = {"coverage": "94.4 %", "symbols": "3", "hours": "6", "rows": "20"}
    totals |= {"last": "12:00", "runs": "2", "credits": "3"}
    assert {name: text_of(tree, f".//dd[@id='total-{name}']") for name in totals} == totals
    assert [row.attrib["data-symbol"] for row in coin_rows(tree)] == ["BTC", "ETH", "SOL"]
    assert "✕ failed" in text_of(tree, ".//table[@id='run-table']")
    assert "2026-11-23 12:35:07, Tehran time, from crypto.crypto_prices_hourly by Data Processor 0.1.0" in text_of(
        tree, ".//footer"
    )


def test_largest_corrections_and_the_jalali_days_are_shown() -> None:
    correction = Correction(
        *("crypto_prices", "BTC", HOURS[0], 100.0, 101.5, "USD", "2026-11-23 12:00:00"),
        *("run-9", "latest", "historical"),
    )
    contents = report_contents(price_wave(1, HOURS), hours=HOURS)
    [table] = contents.tables
    corrected = replace(table, corrections=Corrections(3, [correction]))
    tree = page_of(replace(contents, tables=[corrected]))

    assert text_of(tree, ".//p[@id='jalali']") == "1405-09-02 to 1405-09-02 in the Jalali calendar"
    [row] = tree.findall(".//table[@id='correction-table']/tbody/tr")
    assert ["".join(cell.itertext()) for cell in row] == [
        *("BTC", HOURS[0][:16], "100", "101.5", "+1.50 %", "2026-11-23 12:00", "run-9")
    ]
    for section in ("correction-table", "comparison-table"):
        assert page_of(contents).find(f".//table[@id='{section}']") is None


@pytest.mark.parametrize(("runs", "charts"), [(19, ["price-chart"]), (20, ["price-chart", "run-chart"])])
def test_full_coverage_is_a_sentence_and_few_runs_a_table(runs: int, charts: list[str]) -> None:
    runs_of_page = [stored_run(35 + place, run_id=str(place)) for place in range(runs)]
    tree = page_of(report_contents(price_wave(3, HOURS), hours=HOURS, runs=runs_of_page))

    assert text_of(tree, ".//p[@id='whole']") == "All 18 expected coin-hours are stored."
    assert [chart.attrib["id"] for chart in tree.findall(".//*[@class='chart']")] == charts


def test_empty_table_names_the_command_that_fills_it() -> None:
    tree = page_of(report_contents())

    assert "./run.sh cron_backfill cmc_hourly_prices 48" in text_of(tree, ".//p[@id='empty']")
    assert tree.findall(".//*[@class='chart']") == []
    assert text_of(tree, ".//p[@id='no-runs']") == "No runs recorded in these hours."


def test_month_of_two_hundred_coins_is_small_enough_to_mail() -> None:
    """Of prices that move as real ones do; with the library."""
    chance = random.Random(1)  # noqa: S311 - made-up prices
    keys = hour_keys(720)
    prices = [price._replace(price=price.price * math.exp(chance.gauss(0, 0.006))) for price in price_wave(200, keys)]
    runs = [stored_run(35 + 60 * place, run_id=str(place)) for place in range(720)]
    page = build_page(report_contents(prices, hours=keys, runs=runs, followed={price.symbol for price in prices}))

    assert len(page.encode()) < 2_700_000


def test_coin_without_any_price_is_reported() -> None:
    """In the totals and in its row; not one whose prices all lie before these hours, nor one nobody follows."""
    prices = [stored_price("OLD", HOURS[1]), stored_price("BTC", HOURS[1])]
    tree = page_of(report_contents(prices, hours=HOURS, stored_before=["SOL"]))
    rows = {row.attrib["data-symbol"]: "".join(row.itertext()) for row in coin_rows(tree)}

    assert sorted(rows) == ["BTC", "ETH", "OLD", "SOL"]
    assert [symbol for symbol, text in rows.items() if "never stored" in text] == ["ETH"]
    assert "3 followed, 1 never stored" in text_of(tree, ".//dl")


def test_changes_are_relative_to_earlier_stored_hours() -> None:
    """Of the last price, over 24 hours and 7 days; a dash where that hour is not stored."""
    prices = [
        stored_price("BTC", "2026-11-23 12:00:00", price=110.0),
        stored_price("BTC", "2026-11-22 12:00:00", price=100.0),
        stored_price("BTC", "2026-11-16 12:00:00", price=220.0),
        stored_price("ETH", "2026-11-23 12:00:00", price=110.0),
        stored_price("ETH", "2026-11-22 13:00:00", price=100.0),
    ]
    tree = page_of(report_contents(prices, hours=HOURS))

    assert cells_of(tree, "BTC")[2:5] == ["110.000 USD", "+10.00 %", "\N{MINUS SIGN}50.00 %"]
    assert cells_of(tree, "ETH")[2:5] == ["110.000 USD", UNKNOWN, UNKNOWN]
    assert text_of(tree, ".//dd[@id='total-rows']") == "2"


def test_second_source_shares_the_row_of_its_coin() -> None:
    """With price, currency and distance; the first line has the coverage of each source, the footer both views."""
    prices = price_wave(1, HOURS)
    pairs = [price._replace(name="BTCUSDT", price=100.5, currency="USDT", market_cap=None) for price in prices[1:]]
    prices = [price._replace(price=100.0) for price in prices]
    contents = report_contents(
        prices,
        hours=HOURS,
        followed=["BTC"],
        beside=[table_of(pairs, source="Binance", followed=["BTC"], first_hours={"BTC": HOURS[0]}, rows_stored=900)],
    )
    tree = page_of(contents)

    assert len(coin_rows(tree)) == 1
    assert cells_of(tree, "BTC")[:8:] == [
        *("BTC", "Bitcoin", "100.000 USD", UNKNOWN, UNKNOWN, "100.500 USDT", "USDT", "+0.50 %")
    ]
    assert text_of(tree, ".//p[@id='summary']") == (
        "Data up to 2026-11-23 12:00 (1405-09-02). "
        "Coverage: CoinMarketCap 100.0 %; Binance 83.3 %. 1 coin-hour missing."
    )
    assert [one["currency"] for one in data_of(tree)["symbols"]] == ["USD", "USDT"]
    assert text_of(tree, ".//dd[@id='total-symbols']") == "1"
    assert "907 stored in all" in text_of(tree, ".//dl")
    assert "from crypto.crypto_prices_hourly and crypto.binance_prices_hourly by" in text_of(tree, ".//footer")


def test_hours_before_the_first_stored_one_are_left_out() -> None:
    hours = hour_keys(720)
    tree = page_of(report_contents(price_wave(1, hours[-169:]), hours=hours, followed=["BTC"]))

    assert data_of(tree)["hours"] == hours[-169:]
    assert text_of(tree, ".//p[@id='trimmed']") == "30 d were asked for; before 2026-11-16 12:00 nothing is stored."


def compared(*, wrong: bool, symbols: tuple[str, ...] = ("BTC", "ETH")) -> tuple[Overview, Any, list[Any]]:
    """Prices of these symbols, the page, and the rows of the comparison in it.

    If wrong, CoinMarketCap repeats a price of the first symbol for twelve hours.
    """
    hours, found = hour_keys(48), []
    span = hours[:-1]
    for number, symbol in enumerate(symbols):
        prices = walk(48, seed=number, percent=3)
        quoted = [*prices[:20], *[prices[20]] * 12, *prices[32:]] if wrong and not number else prices
        quotes, candles = quotes_of(symbol, span, quoted), candles_of(symbol, span, prices)
        found.append(compare_symbol(quotes, candles, hours=span, rates={}, tolerance=1.0))
    overview = Overview(hours=span, tolerance=1.0, symbols=found, only_coinmarketcap=["XRP"], only_binance=[])
    tree = page_of(report_contents(price_wave(3, hours), hours=hours, comparison=overview))
    return overview, tree, tree.findall(".//table[@id='comparison-table']/tbody/tr")


def test_equal_prices_are_not_marked() -> None:
    overview, tree, rows = compared(wrong=False)
    figures = ["48", "0", "0", "0.00 %", "+0.00 %", "+0.00 %", overview.hours[0][:16], "0", ""]
    shown = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert shown == [[symbol, f"{symbol}USDT", *figures] for symbol in ("BTC", "ETH")]
    assert text_of(tree, ".//p[@id='comparison-result']") == "No hour of 96 is over 1 %."
    assert [row.get("class") for row in rows] == [None, None]
    assert "USDT is taken for a dollar in 96 h" in text_of(tree, ".//main")


def test_a_suspicion_is_marked_and_explained() -> None:
    """In the symbol's row and below the table; a symbol comes from the database, so its markup is text."""
    overview, tree, [row, other] = compared(wrong=True, symbols=("<script>alert(1)</script>", "ETH"))
    over = len(overview.symbols[0].over)
    shown = ["".join(row[place].itertext()) for place in (0, 9, 10)]
    assert shown == ["<script>alert(1)</script>", str(over), "stale"]
    assert (row.get("class"), other.get("class")) == ("failed", None)
    result = text_of(tree, ".//p[@id='comparison-result']")
    assert result.startswith(f"{over} hours of 1 symbol over 1 %: ./run.sh compare 48")
    assert "looks stale: CoinMarketCap repeats " in text_of(tree, ".//main")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (price_text(87654.32), "87,654.32"),
        (price_text(131.2468), "131.247"),
        (price_text(1.0), "1.00000"),
        (price_text(0.27435), "0.274350"),
        (price_text(0.0001226), "0.000122600"),
        (price_text(0.0000078911), "0.0₅7891"),
        (price_text(1.226e-9), "0.0₈1226"),
        (price_text(9.99999e-6), "0.0₄1000"),
        (price_text(5e-324), "0.0₃₂₃4941"),
        (price_text(0.0), "0.00000"),
        (price_text(None), "–"),  # noqa: RUF001 - the dash it is
        (duration(timedelta(seconds=59.4)), "59 s"),
        (duration(timedelta(seconds=185)), "3 min 5 s"),
        (duration(timedelta(hours=2, minutes=10, seconds=59)), "2 h 10 min"),
        (duration(timedelta(days=4, hours=1, minutes=9)), "4 d 1 h"),
        (duration(timedelta(seconds=-1)), "0 s"),
        (period_text(48), "48 h"),
        (period_text(72), "3 d"),
        (period_text(100), "100 h"),
        (period_text(24000), "1,000 d"),
        (percent_text(-1234.5, 2, "+"), "\N{MINUS SIGN}1,234.50 %"),
        (percent_text(0.5, 2, "+"), "+0.50 %"),
        (percent_text(99.9), "99.9 %"),
        (percent_text(None), UNKNOWN),
    ],
)
def test_numbers_are_formatted(shown: str, text: str) -> None:
    assert shown == text


def test_chart_library_is_the_published_file() -> None:
    """To the byte; there is no other version beside them."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PAGE.glob("plotly*")}
    assert found == PUBLISHED

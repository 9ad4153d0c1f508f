"""The page in a browser: charts, tables, downloads, and no access to anything outside."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from reports.price_report import SHOWN_FIRST, ReportContents, build_page
from tests.support.browser import MISSING, Browser, running_browser
from tests.support.eventually import eventually
from tests.support.report_contents import (
    hour_keys,
    price_wave,
    report_contents,
    stored_price,
    stored_run,
    table_of,
    three_symbols,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed here: {', '.join(MISSING)}"),
]
Show = Callable[..., Browser]
HOURS = hour_keys(48)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    def open_page(contents: ReportContents, *, dark: bool = False, phone: bool = False) -> Browser:
        path = tmp_path / "report.html"
        path.write_bytes(build_page(contents).encode())
        browser.open(path, dark=dark, phone=phone)
        return browser

    return open_page


def type_filter(page: Browser, text: str) -> None:
    page.run(f"const box = $('filter'); box.value = '{text}'; box.dispatchEvent(new Event('input'))")


def test_three_symbols_are_drawn_without_messages_and_requests(show: Show) -> None:
    page = show(three_symbols())

    assert [trace["name"] for trace in page.traces("price-chart")] == ["Jalali", "BTC", "ETH", "SOL"]
    assert [trace["type"] for trace in page.traces("coverage-chart")] == ["heatmap", "scatter", "scatter"]
    assert [(trace["name"], trace["points"]) for trace in page.traces("run-chart")] == [("ok", 19), ("failed", 1)]
    # Two are broken by a gap.
    assert page.run("return document.querySelectorAll('#price-chart .scatterlayer .js-line').length") == 6
    texts = page.run("return $('coverage-chart')._fullData[0].text.map((row) => [...row])")
    assert (texts[0][5], texts[2][9]) == ("missing", "without a quote at the source")
    assert texts[0][0].startswith("stored, updated later<br>")
    key = page.run("return $('coverage-key').textContent")
    assert "✕missing: 1" in key
    assert "○without a quote at the source: 1" in key
    for selector in ("#unit input[value=price]", "#scale input[value=log]", "#theme input[value=dark]"):
        page.click(selector)
    assert page.messages() == []
    [address] = [address for address in page.requests() if not address.startswith(("data:", "blob:"))]
    assert address.startswith("file://")


def test_policy_blocks_foreign_scripts_and_requests(show: Show, httpserver: HTTPServer) -> None:
    """Even a script that ran in the page could load nothing, and no inline script gets to run."""
    page = show(three_symbols())
    address = httpserver.url_for("/seen")
    page.run(
        f"document.body.insertAdjacentHTML('beforeend', '<img src=\"{address}\" onerror=\"window.ran = 1\">');"
        f"const script = document.createElement('script'); script.textContent = 'window.ran = 2';"
        "document.body.append(script);"
        f"return fetch('{address}').catch(() => null)"
    )

    assert page.run("return window.ran ?? null") is None
    assert httpserver.log == []
    assert any("Content Security Policy" in message for message in page.messages())


def test_colors_follow_system_and_switch(show: Show) -> None:
    ink = "return [getComputedStyle(document.body).backgroundColor, $('price-chart')._fullLayout.font.color]"
    dark, light = ["rgb(16, 19, 23)", "#e6eaf0"], ["rgb(245, 246, 248)", "#16202c"]
    for system, switch, colors in ((True, "light", [dark, light]), (False, "dark", [light, dark])):
        page = show(three_symbols(), dark=system)
        by_system = page.run(ink)
        page.click(f"#theme input[value={switch}]")
        assert [by_system, page.run(ink)] == colors


def test_two_hundred_symbols_can_be_filtered(show: Show) -> None:
    """The chart begins with the largest ones, the filter narrows every list, and all can be drawn, most in gray."""
    prices, followed = price_wave(200, HOURS), {price.symbol for price in price_wave(200, HOURS[:1])}
    page = show(report_contents(prices[1:], hours=HOURS, followed=followed, stored_before=["BTC"]))
    listed = "return [...document.querySelectorAll('.chip')].filter((chip) => !chip.hidden).length"

    assert [trace["name"] for trace in page.traces("price-chart")][1:4] == ["BTC", "ETH", "SOL"]
    assert len(page.traces("price-chart")) == 1 + SHOWN_FIRST
    page.click("#choose-filtered")
    assert [trace["name"] for trace in page.traces("price-chart")][:2] == ["192 more", "BTC"]
    assert page.run(listed) == 200
    type_filter(page, "coin 19")
    assert page.run(listed) == 11
    assert page.run("return $('coverage-chart')._fullData[0].y.length") == 11
    page.click("#choose-filtered")
    assert page.traces("price-chart")[0]["name"] == "3 more"
    assert page.messages() == []


def two_sources() -> ReportContents:
    """Of a large coin, a dollar coin and a small one from both sources, and the price of the dollar in Toman."""
    prices = [
        stored_price(symbol, hour, name=symbol, price=price + i / 1000 * price * (symbol != "USDC"), market_cap=price)
        for symbol, price in (("BTC", 90_000.0), ("USDC", 1.0), ("PEPE", 4.4e-6))
        for i, hour in enumerate(HOURS)
    ]
    pairs = [price._replace(name=f"{price.symbol}USDT", currency="USDT", market_cap=None) for price in prices]
    rates = [stored_price("USDT@nobitex", hour, name="", price=1e5, market_cap=None, currency="IRT") for hour in HOURS]
    beside = [table_of(pairs, source="Binance"), table_of(rates, source="Rates")]
    return report_contents(prices, hours=HOURS, followed=[], beside=beside)


def test_sources_of_a_coin_share_its_color(show: Show) -> None:
    """The second one dashed; names are at the ends, dollar coins not among the largest, one currency on the axis."""
    page = show(two_sources())
    lines = (
        "return $('price-chart').data.filter((one) => one.hovertemplate === '%{text}')"
        ".map((one) => [one.name, one.line.color, one.line.dash])"
    )
    assert page.run(lines) == [
        [f"{symbol} \N{MIDDLE DOT} {source}", color, dash]
        for symbol, color in (("BTC", "#0072b2"), ("PEPE", "#d55e00"))
        for source, dash in (("CoinMarketCap", "solid"), ("Binance", "4px,3px"))
    ]

    page.click("#unit input[value=price]")
    page.run("document.querySelectorAll('.chip input')[3].click()")
    layout = "return $('price-chart')._fullLayout"
    assert page.run(f"{layout}.yaxis.title.text") == "Price, USD"
    assert page.run(f"{layout}.annotations.map((one) => one.text)") == ["BTC", "PEPE"]
    assert "USDT@nobitex \N{MIDDLE DOT} Rates (IRT)" in page.run("return $('left-out').textContent")
    page.click("#log-hint button")
    assert page.run(f"{layout}.yaxis.type") == "log"
    assert page.run("return $('log-hint').hidden")
    texts = page.run("return $('price-chart').data.map((one) => one.text[0])")
    assert texts == ["1405-08-30", "90,000.00 USD", "90,000.00 USDT", "0.0₅4400 USD", "0.0₅4400 USDT"]


def test_keyboard_skips_to_the_content_and_stops_once_at_the_chips(show: Show) -> None:
    page = show(three_symbols())
    stops = "return [...document.querySelectorAll('#chips input')].map((box) => box.tabIndex)"
    assert page.run("return document.querySelector('a, button, input').getAttribute('href')") == "#main"
    assert page.run(stops) == [0, -1, -1]
    page.run(
        "const [box] = document.querySelectorAll('#chips input'); box.focus();"
        "box.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))"
    )
    assert page.run(stops) == [-1, 0, -1]


def test_charts_fit_the_paper(show: Show) -> None:
    page = show(three_symbols(), dark=True)
    width = "return document.querySelector('#price-chart .main-svg').clientWidth"
    shown = page.run(width)
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(width) == 980
    assert page.run("return $('price-chart')._fullLayout.font.color") == "#16202c"
    page.run("dispatchEvent(new Event('afterprint'))")
    eventually(lambda: page.run(width) == shown)


@pytest.mark.parametrize("contents", [three_symbols(), report_contents()], ids=["three", "empty"])
def test_page_fits_a_phone(show: Show, contents: ReportContents) -> None:
    page = show(contents, phone=True)

    assert page.run("return document.documentElement.scrollWidth") == 390
    assert page.run(
        "return [...document.querySelectorAll('#coin-table tbody td')].slice(1, 4).map((cell) =>"
        " cell.getBoundingClientRect().right <= 368)"
    ) in ([], [True] * 3)
    for chart in ("price-chart", "coverage-chart", "run-chart"):
        mode = f"const c = document.getElementById('{chart}'); return c && c._fullLayout.dragmode"
        assert page.run(mode) in (None, False)
    assert page.messages() == []


def test_foreign_names_stay_texts(show: Show) -> None:
    """Whatever a coin is called and whatever its symbol holds, it is shown as it is, and nothing of it runs."""
    name = "</script><script>window.ran=1</script> %{y} <a href='javascript:window.ran=1'>Coin</a> & \u2028 ${price}"
    prices = [stored_price(name[:40], hour, name=name) for hour in HOURS]
    runs = [stored_run(error=name, job=name, status="failed")]
    page = show(report_contents(prices, hours=HOURS, followed=[name[:40]], runs=runs))

    assert page.run("return document.querySelector('#coin-table tbody td').textContent") == name
    assert page.run("return document.querySelector('.chip').textContent") == name[:40]
    assert page.run("return document.querySelector('#run-table .error').textContent") == name
    assert page.run("return window.ran ?? null") is None
    assert page.run("return document.querySelectorAll('main img, main a[href], svg a').length") == 0
    assert page.messages() == []


@pytest.mark.parametrize(("bases", "unit"), [([100.0, 150.0, 199.0], "price"), ([100.0, 150.0, 201.0], "index")])
def test_chart_opens_on_prices_or_index(show: Show, bases: list[float], unit: str) -> None:
    """On prices for up to three coins of like size, else indexed; the axis says which, of what and of which hours."""
    prices = [stored_price(f"C{place}", hour, price=base) for place, base in enumerate(bases) for hour in HOURS]
    page = show(report_contents(prices, hours=HOURS, followed=[]))
    title = page.run("return $('price-chart')._fullLayout.yaxis.title.text")

    assert page.run("return document.querySelector('#unit input:checked').value") == unit
    assert title == ("Price, USD" if unit == "price" else "Indexed, first price in these 48 h = 100")


def test_switch_shows_prices_in_toman_where_rates_are_stored(show: Show) -> None:
    """Nobitex's of the very hour, else Wallex's, else a gap; without rates there is no switch."""
    prices = [stored_price("BTC", hour, price=2.0) for hour in HOURS]
    stored = {"USDT@nobitex": {HOURS[0]: 100.0}, "USDT@wallex": {HOURS[0]: 101.0, HOURS[1]: 102.0}}
    rates = [
        stored_price(symbol, hour, price=rate, currency="IRT")
        for symbol, of_symbol in stored.items()
        for hour, rate in of_symbol.items()
    ]
    page = show(report_contents(prices, hours=HOURS, followed=[], beside=[table_of(rates, source="Rates")]))
    page.click("#unit input[value=toman]")
    chart = "const chart = $('price-chart'); return chart"
    assert page.run(f"{chart}._fullLayout.yaxis.title.text") == "Price, Toman"
    drawn = page.run(f"{chart}.data.find((one) => one.name.startsWith('BTC')).y.slice(0, 3)")
    assert drawn == [200, 204, None]
    page = show(report_contents(prices, hours=HOURS, followed=[]))
    assert page.run("return document.querySelector('#unit input[value=toman]')") is None


def four_coins() -> ReportContents:
    """Three coins, of which one is not followed, and one that was never stored; five runs, one of them failed."""
    coins = (("C2", '"C", a\ncoin', 9.5), ("C10", "=HYPERLINK(1)", 1000.0), ("C1", "@SUM(1)", 20.0))
    prices = [
        stored_price(symbol, hour, name=name, price=price, market_cap=3.0 - place)
        for place, (symbol, name, price) in enumerate(coins)
        for hour in HOURS
    ]
    runs = [stored_run(35 + 60 * place, run_id=str(place)) for place in range(4)]
    runs.append(stored_run(300, run_id="4", status="failed", error='no "answer"'))
    return report_contents(prices, hours=HOURS, runs=runs, followed=["C2", "C10", "NEW"])


def sort_by(page: Browser, table: str, label: str) -> str:
    order: str = page.run(
        f"const head = [...document.querySelectorAll('#{table} thead th')].find((th) => th.textContent === '{label}');"
        "head.querySelector('button').click(); return head.ariaSort"
    )
    return order


def test_tables_sort(show: Show) -> None:
    """Largest first, then smallest first, then as written; without a number last; a failed run keeps its reason."""
    page = show(four_coins())
    shown = (
        "return [...document.querySelectorAll('#coin-table tbody tr')]"
        ".filter((row) => !row.hidden).map((row) => row.dataset.symbol)"
    )
    assert page.run(shown) == ["C2", "C10", "C1", "NEW"]
    for order, coins in {"descending": "C10 C1 C2 NEW", "ascending": "C2 C1 C10 NEW", "none": "C2 C10 C1 NEW"}.items():
        assert sort_by(page, "coin-table", "Price") == order
        assert page.run(shown) == coins.split()
    sort_by(page, "run-table", "Status")
    rows = page.run("return [...document.querySelectorAll('#run-table tbody tr')].map((row) => row.className)")

    assert rows == ["failed", "reason", "", "", "", ""]


def test_table_downloads_as_shown(show: Show, tmp_path: Path) -> None:
    """Filtered and sorted, with numbers in full, and whole hours; names that a spreadsheet would compute are marked."""
    page = show(four_coins())
    type_filter(page, "c")
    sort_by(page, "coin-table", "Price")
    (tmp_path / "saved").mkdir()
    path = page.download(".csv[data-name=coins]", tmp_path / "saved")
    text = path.read_bytes().decode()
    head, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))

    assert (path.name, text[0]) == ("coins-2026-11-23_12-35.csv", "\ufeff")
    assert head[:5] == ["Coin", "Name", "Price", "24 h change, %", "7 d change, %"]
    assert [row[:4] for row in rows] == [
        ["C10", "'=HYPERLINK(1)", "1000", "0"],
        ["C1", "'@SUM(1)", "20", "0"],
        ["C2", '"C", a\ncoin', "9.5", "0"],
    ]
    assert [row[head.index("Followed")] for row in rows] == ["yes", "no", "yes"]
    assert {row[head.index("Last hour, Tehran")] for row in rows} == {HOURS[-1]}
    assert {len(row) for row in rows} == {len(head)}
    assert page.messages() == []

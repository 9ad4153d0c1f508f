"""The page as a browser shows it: drawn, switched, filtered, and alone with itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer

from reports.price_report import SHOWN_FIRST, ReportContents
from tests.support.browser import MISSING, Browser
from tests.support.report_contents import hour_keys, price_wave, report_contents, stored_price, stored_run, table_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed here: {', '.join(MISSING)}"),
]
Show = Callable[..., Browser]
HOURS = hour_keys(48)


def three_symbols() -> ReportContents:
    """Three symbols with a gap, a hole, an update, and runs of which one failed."""
    prices = [
        price
        for price in price_wave(3, HOURS)
        if (price.symbol, price.datetime) not in {("BTC", HOURS[5]), ("SOL", HOURS[9])}
    ]
    prices[0] = prices[0]._replace(is_updated=True)
    runs = [stored_run(), stored_run(95, status="failed", error="no answer"), stored_run(155)]
    return report_contents(prices, hours=HOURS, holes={"SOL": {HOURS[9]}}, runs=runs)


def two_hundred_symbols() -> ReportContents:
    """A week of two hundred symbols."""
    hours = hour_keys(168)
    prices = price_wave(200, hours)
    return report_contents(prices, hours=hours, followed={price.symbol for price in prices})


def click(browser: Browser, selector: str) -> None:
    """Click what the selector finds first."""
    browser.run(f"document.querySelector({selector!r}).click()")


def test_three_symbols_are_drawn_without_a_complaint(show: Show) -> None:
    """A line for each symbol, a map row for each, both kinds of run, and not a word in the console."""
    page = show(three_symbols())

    assert [trace["name"] for trace in page.traces("price-chart")] == ["BTC", "ETH", "SOL"]
    assert [trace["type"] for trace in page.traces("coverage-chart")] == ["heatmap", "scatter", "scatter"]
    assert [(trace["name"], trace["points"]) for trace in page.traces("run-chart")] == [("ok", 2), ("failed", 1)]
    assert (
        page.run("return document.querySelectorAll('#price-chart .scatterlayer .js-line').length") == 5
    )  # two are broken by a gap
    assert page.messages() == []


def test_nothing_is_asked_of_the_network(show: Show) -> None:
    """The file itself and texts within it are all that the browser reads, whatever is clicked."""
    page = show(three_symbols())
    for selector in ("#unit input[value=price]", "#scale input[value=log]", "#theme input[value=dark]"):
        click(page, selector)

    addresses = page.requests()

    assert [address for address in addresses if not address.startswith(("data:", "blob:"))] == [addresses[0]]
    assert addresses[0].startswith("file://")


def test_the_policy_stops_what_tries(show: Show, httpserver: HTTPServer) -> None:
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


def test_indexed_and_price_switch(show: Show) -> None:
    """Indexed, every line begins at 100; as prices, at the price."""
    first = "return document.getElementById('price-chart')._fullData.map((t) => t.y[0])"
    page = show(three_symbols())

    assert page.run(first) == [100, 100, 100]
    click(page, "#unit input[value=price]")
    assert page.run(first)[0] == pytest.approx(87654.32, rel=0.05)


@pytest.mark.parametrize(
    ("bases", "unit"),
    [
        ([100.0], "price"),
        ([100.0, 150.0, 199.0], "price"),
        ([100.0, 150.0, 201.0], "index"),
        ([100.0, 101.0, 102.0, 103.0], "index"),
    ],
)
def test_the_chart_opens_on_what_can_be_seen(show: Show, bases: list[float], unit: str) -> None:
    """On prices for up to three coins of like size, else indexed; the axis says which, of what and of which hours."""
    prices = [stored_price(f"C{place}", hour, price=base) for place, base in enumerate(bases) for hour in HOURS]
    page = show(report_contents(prices, hours=HOURS, followed=[]))
    title = page.run("return document.getElementById('price-chart')._fullLayout.yaxis.title.text")

    assert page.run("return document.querySelector('#unit input:checked').value") == unit
    assert title == ("Price, USD" if unit == "price" else "Indexed, first price in these 48 h = 100")


def test_a_coin_of_two_sources_has_two_lines(show: Show) -> None:
    """On one axis, as prices: they are of like size. Each is chosen by itself."""
    prices = price_wave(1, HOURS)
    pairs = table_of([price._replace(currency="USDT", price=price.price * 1.001) for price in prices], source="Binance")
    page = show(report_contents(prices, hours=HOURS, followed=["BTC"], beside=[pairs]))

    assert [trace["name"] for trace in page.traces("price-chart")] == ["BTC · CoinMarketCap", "BTC · Binance"]
    assert page.run("return document.getElementById('price-chart')._fullLayout.yaxis.title.text") == "Price, USD, USDT"
    assert page.run("return document.getElementById('coverage-chart')._fullData[0].y.length") == 2
    click(page, "#chips [data-symbol$=Binance] input")
    assert [trace["name"] for trace in page.traces("price-chart")] == ["BTC · CoinMarketCap"]
    assert page.messages() == []


def test_the_coins_are_the_only_legend(show: Show) -> None:
    """Each with the color of its line."""
    page = show(three_symbols())
    marks = page.run("return [...document.querySelectorAll('.chip .mark')].map((m) => m.style.borderTopColor)")

    assert page.run("return document.querySelectorAll('#price-chart .legend').length") == 0
    assert len(set(marks)) == 3


def test_a_run_of_this_minute_is_on_the_chart(show: Show) -> None:
    """The chart of runs ends at the present moment, not in the middle of the hour."""
    page = show(report_contents(price_wave(1, HOURS), hours=HOURS, runs=[stored_run(0), stored_run(60 * 47)]))
    begin, end = page.run("return document.getElementById('run-chart')._fullLayout.xaxis.range")

    assert "2026-11-21 11" < begin < "2026-11-21 12:35"
    assert "2026-11-23 12:35:07" < end < "2026-11-23 13:30"


def test_each_coin_has_its_line_in_the_table(show: Show) -> None:
    """Broken where a price is missing; a coin without a price has none."""
    page = show(
        report_contents(
            [price for price in price_wave(2, HOURS) if (price.symbol, price.datetime) != ("BTC", HOURS[5])],
            hours=HOURS,
        )
    )
    paths = page.run(
        "return [...document.querySelectorAll('#coin-table tbody .spark')].map((cell) =>"
        " (cell.querySelector('path')?.getAttribute('d') ?? '').split('M').length - 1)"
    )

    assert paths == [2, 1, 0]


def test_log_scale_switch(show: Show) -> None:
    """The axis of prices becomes logarithmic, and linear again."""
    kind = "return document.getElementById('price-chart')._fullLayout.yaxis.type"
    page = show(three_symbols())

    assert page.run(kind) == "linear"
    click(page, "#scale input[value=log]")
    assert page.run(kind) == "log"


def test_span_buttons_zoom(show: Show) -> None:
    """24 h shows the last 24 hours; a span longer than the page has no button."""
    page = show(three_symbols())
    click(page, "#span button[data-hours='24']")

    begin = str(page.run("return document.getElementById('price-chart')._fullLayout.xaxis.range[0]"))

    assert begin.startswith(HOURS[-25][:16])
    assert page.run("return document.querySelector(\"#span button[data-hours='168']\").hidden")


def test_thirty_days_have_a_button(show: Show) -> None:
    """In a page of 30 days it is the pressed one, and shows all of them."""
    hours = hour_keys(720)
    page = show(report_contents(price_wave(1, hours), hours=hours, followed=["BTC"]))
    buttons = page.run(
        "return [...document.querySelectorAll('#span button')].filter((b) => !b.hidden)"
        ".map((b) => [b.textContent, b.ariaPressed])"
    )

    assert buttons == [["24 h", "false"], ["7 d", "false"], ["30 d", "true"]]


def test_hovering_tells_price_and_hour(show: Show) -> None:
    """The mouse over the chart shows each symbol's price of that hour, and which hour it is."""
    page = show(three_symbols())
    click(page, "#unit input[value=price]")
    page.point_at("#price-chart .nsewdrag", across=0.5)
    told = page.run(
        "const layer = document.querySelector('#price-chart .hoverlayer');"
        "return new Promise((told) => { const look = () => layer.textContent ? told(layer.textContent) :"
        " requestAnimationFrame(look); look(); })"
    )

    hour = next(hour for hour in HOURS if hour[:16] in told)
    prices = [price for price in three_symbols().tables[0].prices if price.datetime == hour]
    assert len(prices) == 3
    assert [price.symbol for price in prices if f"{price.symbol} : {price.price:,.8g}" not in told] == []


def test_dragging_zooms(show: Show) -> None:
    """The span that the mouse is drawn over fills the chart."""
    shown = "return document.getElementById('price-chart')._fullLayout.xaxis.range.map((end) => Date.parse(end))"
    page = show(three_symbols())
    begin, end = page.run(shown)
    page.drag("#price-chart .nsewdrag", begin=0.25, end=0.5)

    zoomed = [(moment - begin) / (end - begin) for moment in page.run(shown)]

    assert zoomed == pytest.approx([0.25, 0.5], abs=0.02)
    assert page.messages() == []


def test_a_symbol_is_taken_out_and_put_back(show: Show) -> None:
    """A symbol's box decides whether it has a line; the others keep their colors."""
    page = show(three_symbols())
    before = {trace["name"]: trace["color"] for trace in page.traces("price-chart")}
    click(page, "#chips [data-symbol=BTC] input")

    after = {trace["name"]: trace["color"] for trace in page.traces("price-chart")}

    assert after == {name: before[name] for name in ("ETH", "SOL")}
    click(page, "#chips [data-symbol=BTC] input")
    assert len(page.traces("price-chart")) == 3


def test_no_symbol_chosen_says_so(show: Show) -> None:
    """Without a line the chart has a sentence."""
    page = show(three_symbols())
    click(page, "#choose-none")

    assert page.traces("price-chart") == []
    assert page.run("return document.getElementById('price-chart').textContent").endswith("No coin is chosen")


@pytest.mark.parametrize("dark", [False, True])
def test_colors_follow_the_system_and_the_switch(show: Show, dark: bool) -> None:  # noqa: FBT001 - pytest gives it
    """As the system prefers, until the switch says otherwise; the charts follow too."""
    ink = (
        "return [getComputedStyle(document.body).backgroundColor, "
        "document.getElementById('price-chart')._fullLayout.font.color]"
    )
    page = show(three_symbols(), dark=dark)
    by_system = page.run(ink)
    click(page, f"#theme input[value={'light' if dark else 'dark'}]")

    assert by_system[0] == ("rgb(16, 19, 23)" if dark else "rgb(245, 246, 248)")
    assert page.run(ink)[0] == ("rgb(245, 246, 248)" if dark else "rgb(16, 19, 23)")
    assert page.run(ink)[1] != by_system[1]


def test_two_hundred_symbols_are_manageable(show: Show) -> None:
    """The chart begins with the largest ones, the filter narrows every list, and all can be drawn."""
    page = show(two_hundred_symbols())
    listed = "return [...document.querySelectorAll('.chip')].filter((chip) => !chip.hidden).length"

    assert [trace["name"] for trace in page.traces("price-chart")][:3] == ["BTC", "ETH", "SOL"]
    assert len(page.traces("price-chart")) == SHOWN_FIRST
    assert page.run(listed) == 200
    page.run(
        "const box = document.getElementById('filter'); box.value = 'coin 19'; box.dispatchEvent(new Event('input'))"
    )
    assert page.run(listed) == 11
    assert page.run("return document.getElementById('coverage-chart')._fullData[0].y.length") == 11
    click(page, "#choose-filtered")
    assert len(page.traces("price-chart")) == 11
    assert page.messages() == []


def test_only_symbols_with_gaps(show: Show) -> None:
    """The map narrows to the symbols with missing hours."""
    page = show(three_symbols())
    click(page, "#gaps-only")

    assert page.run("return document.getElementById('coverage-chart')._fullData[0].y") == ["BTC"]


def test_the_map_tells_states_by_more_than_color(show: Show) -> None:
    """Hover text in words, marks over what is not stored, and a key that names and counts the states."""
    page = show(three_symbols())
    texts = page.run("return document.getElementById('coverage-chart')._fullData[0].text.map((row) => [...row])")
    key = page.run("return document.getElementById('coverage-key').textContent")

    assert texts[0][5] == "missing"
    assert texts[2][9] == "without a quote at the source"
    assert texts[0][0].startswith("stored, updated later<br>")
    assert "✕missing: 1" in key
    assert "○without a quote at the source: 1" in key


def test_the_key_names_every_color_of_the_map(show: Show) -> None:
    """That of the present hour too, which counts only where it is not stored yet."""
    prices = price_wave(1, HOURS)
    prices[-1] = prices[-1]._replace(is_updated=True)
    page = show(report_contents(prices, hours=HOURS, followed=["BTC"]))

    assert page.run("return [...document.querySelectorAll('#coverage-key li')].map((item) => item.textContent)") == [
        "stored: 48",
        "stored, updated later",
    ]


@pytest.mark.parametrize("contents", [three_symbols(), report_contents()], ids=["three", "empty"])
def test_it_fits_a_phone(show: Show, contents: ReportContents) -> None:
    """Nothing is wider than the screen, and a finger on a chart scrolls the page."""
    page = show(contents, phone=True)

    assert page.run("return document.documentElement.scrollWidth") == 390
    for chart in ("price-chart", "coverage-chart", "run-chart"):
        mode = f"const c = document.getElementById('{chart}'); return c && c._fullLayout.dragmode"
        assert page.run(mode) in (None, False)
    assert page.messages() == []


def test_two_hundred_symbols_fit_a_phone(show: Show) -> None:
    """Opened, and with every one of them drawn, the page needs no sideways scrolling."""
    width = "return document.documentElement.scrollWidth"
    page = show(two_hundred_symbols(), phone=True)

    assert page.run(width) == 390
    click(page, "#choose-filtered")
    assert len(page.traces("price-chart")) == 200
    assert page.run(width) == 390
    assert page.messages() == []


def test_an_empty_page_has_a_sentence_and_no_chart(show: Show) -> None:
    """Nothing stored: what to do instead of broken charts, and no error."""
    page = show(report_contents())

    assert "Nothing is stored yet" in page.run("return document.getElementById('empty').textContent")
    assert page.run("return document.getElementById('no-runs').textContent") == "No runs recorded in these hours."
    assert page.run("return document.querySelectorAll('.chart').length") == 0
    assert page.messages() == []


def test_a_history_without_a_price_in_these_hours_is_a_map_of_missing_hours(show: Show) -> None:
    """After an outage longer than the page: each hour is missing, and the chart of prices says that it has none."""
    page = show(report_contents(hours=HOURS, stored_before=["BTC", "ETH"], rows_stored=900))

    assert page.run("return document.getElementById('empty')") is None
    assert "✕missing: 96" in page.run("return document.getElementById('coverage-key').textContent")
    assert page.run("return [...document.getElementById('coverage-chart')._fullData[0].y]") == ["BTC", "ETH", "SOL"]
    assert page.run("return document.getElementById('price-chart').textContent").count("No price in these hours") == 1
    click(page, "#choose-none")
    assert "No coin is chosen" in page.run("return document.getElementById('price-chart').textContent")
    assert page.messages() == []


def test_a_single_price_can_be_seen(show: Show) -> None:
    """One hour of one symbol is a point, shown as a price."""
    page = show(report_contents([stored_price(hour=HOURS[40])], hours=HOURS, followed=["BTC"]))

    assert page.run("return document.querySelector('#unit input:checked').value") == "price"
    assert page.run("return document.querySelectorAll('#price-chart .point').length") > 0
    assert page.messages() == []


@pytest.mark.parametrize(
    "name",
    [
        "</script><script>window.ran = 1</script>",
        "<img src=x onerror='window.ran = 1'>",
        "<!--<script>",
        "%{y} <a href='javascript:window.ran=1'>Coin</a> & \u2028 ${price}",
    ],
)
def test_foreign_names_stay_texts(show: Show, name: str) -> None:
    """Whatever a coin is called and whatever its symbol holds, it is shown as it is, and nothing of it runs."""
    prices = [stored_price(name[:40], hour, name=name) for hour in HOURS]
    runs = [stored_run(error=name, job=name, status="failed")]
    page = show(report_contents(prices, hours=HOURS, followed=[name[:40]], runs=runs))

    assert page.run("return document.querySelector('#coin-table tbody td').textContent") == name
    assert page.run("return document.querySelector('.chip').textContent") == name[:40]
    assert page.run("return document.querySelector('#run-table .error').textContent") == name
    assert page.run("return window.ran ?? null") is None
    assert page.run("return document.querySelectorAll('main img, main a[href], svg a').length") == 0
    assert page.messages() == []


def test_the_charts_offer_no_upload(show: Show) -> None:
    """The library's button that sends a chart to its makers is not there."""
    page = show(three_symbols())
    titles = page.run(
        "return [...document.querySelectorAll('.modebar-btn')].map((b) => b.dataset.title || b.ariaLabel || '')"
    )

    assert titles
    assert [title for title in titles if "cloud" in title.lower() or "link" in title.lower()] == []

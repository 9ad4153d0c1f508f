"""The page as a browser shows it: drawn, switched, filtered, and alone with itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer

from reports.price_report import SHOWN_FIRST, ReportContents
from tests.support.browser import MISSING, Browser
from tests.support.report_contents import (
    hour_keys,
    price_wave,
    report_contents,
    stored_price,
    stored_run,
    three_symbols,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed here: {', '.join(MISSING)}"),
]
Show = Callable[..., Browser]
HOURS = hour_keys(48)


def two_hundred_symbols() -> ReportContents:
    """A week of two hundred symbols."""
    hours = hour_keys(168)
    prices = price_wave(200, hours)
    return report_contents(prices, hours=hours, followed={price.symbol for price in prices})


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
        page.click(selector)

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


@pytest.mark.parametrize("dark", [False, True])
def test_colors_follow_the_system_and_the_switch(show: Show, dark: bool) -> None:  # noqa: FBT001 - pytest gives it
    """As the system prefers, until the switch says otherwise; the charts follow too."""
    ink = (
        "return [getComputedStyle(document.body).backgroundColor, "
        "document.getElementById('price-chart')._fullLayout.font.color]"
    )
    page = show(three_symbols(), dark=dark)
    by_system = page.run(ink)
    page.click(f"#theme input[value={'light' if dark else 'dark'}]")

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
    page.click("#choose-filtered")
    assert len(page.traces("price-chart")) == 11
    assert page.messages() == []


def test_only_symbols_with_gaps(show: Show) -> None:
    """The map narrows to the symbols with missing hours."""
    page = show(three_symbols())
    page.click("#gaps-only")

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
    page.click("#choose-filtered")
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
    page.click("#choose-none")
    assert "No coin is chosen" in page.run("return document.getElementById('price-chart').textContent")
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

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


def test_three_symbols_are_drawn_without_console_messages(show: Show) -> None:
    """A line for each symbol, a map row for each, both kinds of run, and not a word in the console."""
    page = show(three_symbols())

    assert [trace["name"] for trace in page.traces("price-chart")] == ["BTC", "ETH", "SOL"]
    assert [trace["type"] for trace in page.traces("coverage-chart")] == ["heatmap", "scatter", "scatter"]
    assert [(trace["name"], trace["points"]) for trace in page.traces("run-chart")] == [("ok", 2), ("failed", 1)]
    assert (
        page.run("return document.querySelectorAll('#price-chart .scatterlayer .js-line').length") == 5
    )  # two are broken by a gap
    assert page.messages() == []


def test_page_makes_no_network_request(show: Show) -> None:
    """The file itself and texts within it are all that the browser reads, whatever is clicked."""
    page = show(three_symbols())
    for selector in ("#unit input[value=price]", "#scale input[value=log]", "#theme input[value=dark]"):
        page.click(selector)

    addresses = page.requests()

    assert [address for address in addresses if not address.startswith(("data:", "blob:"))] == [addresses[0]]
    assert addresses[0].startswith("file://")


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


@pytest.mark.parametrize("dark", [False, True])
def test_colors_follow_system_and_switch(show: Show, dark: bool) -> None:  # noqa: FBT001 - pytest gives it
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


def test_two_hundred_symbols_can_be_filtered(show: Show) -> None:
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


def test_map_shows_states_by_more_than_color(show: Show) -> None:
    """Hover text in words, marks over what is not stored, and a key that names and counts the states."""
    page = show(three_symbols())
    texts = page.run("return document.getElementById('coverage-chart')._fullData[0].text.map((row) => [...row])")
    key = page.run("return document.getElementById('coverage-key').textContent")

    assert texts[0][5] == "missing"
    assert texts[2][9] == "without a quote at the source"
    assert texts[0][0].startswith("stored, updated later<br>")
    assert "✕missing: 1" in key
    assert "○without a quote at the source: 1" in key


@pytest.mark.parametrize("contents", [three_symbols(), report_contents()], ids=["three", "empty"])
def test_page_fits_a_phone(show: Show, contents: ReportContents) -> None:
    """Nothing is wider than the screen, and a finger on a chart scrolls the page."""
    page = show(contents, phone=True)

    assert page.run("return document.documentElement.scrollWidth") == 390
    for chart in ("price-chart", "coverage-chart", "run-chart"):
        mode = f"const c = document.getElementById('{chart}'); return c && c._fullLayout.dragmode"
        assert page.run(mode) in (None, False)
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

"""The chart of prices as a browser shows it: what it opens on, what its buttons do, what the mouse finds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.browser import MISSING, Browser
from tests.support.report_contents import (
    hour_keys,
    price_wave,
    report_contents,
    stored_price,
    table_of,
    three_symbols,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed here: {', '.join(MISSING)}"),
]
Show = Callable[..., Browser]
HOURS = hour_keys(48)


def test_indexed_and_price_switch(show: Show) -> None:
    """Indexed, every line begins at 100; as prices, at the price."""
    first = "return document.getElementById('price-chart')._fullData.map((t) => t.y[0])"
    page = show(three_symbols())

    assert page.run(first) == [100, 100, 100]
    page.click("#unit input[value=price]")
    assert page.run(first)[0] == pytest.approx(87654.32, rel=0.05)


@pytest.mark.parametrize(
    ("bases", "unit"),
    [
        ([100.0, 150.0, 199.0], "price"),
        ([100.0, 150.0, 201.0], "index"),
    ],
)
def test_chart_opens_on_prices_or_index(show: Show, bases: list[float], unit: str) -> None:
    """On prices for up to three coins of like size, else indexed; the axis says which, of what and of which hours."""
    prices = [stored_price(f"C{place}", hour, price=base) for place, base in enumerate(bases) for hour in HOURS]
    page = show(report_contents(prices, hours=HOURS, followed=[]))
    title = page.run("return document.getElementById('price-chart')._fullLayout.yaxis.title.text")

    assert page.run("return document.querySelector('#unit input:checked').value") == unit
    assert title == ("Price, USD" if unit == "price" else "Indexed, first price in these 48 h = 100")


def test_coin_of_two_sources_has_two_lines(show: Show) -> None:
    """On one axis, as prices: they are of like size. Each is chosen by itself."""
    prices = price_wave(1, HOURS)
    pairs = table_of([price._replace(currency="USDT", price=price.price * 1.001) for price in prices], source="Binance")
    page = show(report_contents(prices, hours=HOURS, followed=["BTC"], beside=[pairs]))

    assert [trace["name"] for trace in page.traces("price-chart")] == ["BTC · CoinMarketCap", "BTC · Binance"]
    assert page.run("return document.getElementById('price-chart')._fullLayout.yaxis.title.text") == "Price, USD, USDT"
    assert page.run("return document.getElementById('coverage-chart')._fullData[0].y.length") == 2
    page.click("#chips [data-symbol$=Binance] input")
    assert [trace["name"] for trace in page.traces("price-chart")] == ["BTC · CoinMarketCap"]
    assert page.messages() == []


def test_hovering_shows_price_and_hour(show: Show) -> None:
    """The mouse over the chart shows each symbol's price of that hour, and which hour it is."""
    page = show(three_symbols())
    page.click("#unit input[value=price]")
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


def test_symbol_is_removed_and_restored(show: Show) -> None:
    """A symbol's box decides whether it has a line; the others keep their colors."""
    page = show(three_symbols())
    before = {trace["name"]: trace["color"] for trace in page.traces("price-chart")}
    page.click("#chips [data-symbol=BTC] input")

    after = {trace["name"]: trace["color"] for trace in page.traces("price-chart")}

    assert after == {name: before[name] for name in ("ETH", "SOL")}
    page.click("#chips [data-symbol=BTC] input")
    assert len(page.traces("price-chart")) == 3

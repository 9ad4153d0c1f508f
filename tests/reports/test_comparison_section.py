"""The report's section that compares two sources."""

from __future__ import annotations

from typing import Any

from tests.support.report_contents import hour_keys, page_of, price_wave, report_contents
from tests.support.two_markets import candles_of, quotes_of, walk
from transformers.comparison import Overview, compare_symbol

HOURS = hour_keys(48)
SPAN = HOURS[:-1]


def overview(*, wrong: bool, symbols: tuple[str, ...] = ("BTC", "ETH")) -> Overview:
    """Both sources' prices of these symbols; if wrong, CoinMarketCap repeats a price of the first for twelve hours."""
    found = []
    for number, symbol in enumerate(symbols):
        prices = walk(48, seed=number, percent=3)
        quoted = [*prices[:20], *[prices[20]] * 12, *prices[32:]] if wrong and not number else prices
        quotes, candles = quotes_of(symbol, SPAN, quoted), candles_of(symbol, SPAN, prices)
        found.append(compare_symbol(quotes, candles, hours=SPAN, rates={}, tolerance=1.0))
    return Overview(hours=SPAN, tolerance=1.0, symbols=found, only_coinmarketcap=["XRP"], only_binance=[])


def section_of(comparison: Overview) -> tuple[Any, list[Any]]:
    """The page, and the rows of the comparison in it."""
    contents = report_contents(price_wave(3, HOURS), hours=HOURS, comparison=comparison)
    tree = page_of(contents)
    return tree, tree.findall(".//table[@id='comparison-table']/tbody/tr")


def text_of(node: Any) -> str:
    return " ".join("".join(node.itertext()).split())


def test_equal_prices_are_not_marked() -> None:
    tree, rows = section_of(overview(wrong=False))
    assert [[text_of(cell) for cell in row] for row in rows] == [
        [symbol, f"{symbol}USDT", "48", "0", "0", "0.00 %", "+0.00 %", "+0.00 %", SPAN[0][:16], "0", ""]
        for symbol in ("BTC", "ETH")
    ]
    assert text_of(tree.find(".//p[@id='comparison-result']")) == "No hour of 96 is over 1 %."
    assert [row.get("class") for row in rows] == [None, None]
    assert "USDT is taken for a dollar in 96 h" in text_of(tree)


def test_a_suspicion_is_marked_and_explained() -> None:
    """In the symbol's row and below the table; a symbol comes from the database, so its markup is text."""
    found = overview(wrong=True, symbols=("<script>alert(1)</script>", "ETH"))
    tree, [row, other] = section_of(found)
    over = len(found.symbols[0].over)
    assert [text_of(row[place]) for place in (0, 9, 10)] == ["<script>alert(1)</script>", str(over), "stale"]
    assert (row.get("class"), other.get("class")) == ("failed", None)
    result = text_of(tree.find(".//p[@id='comparison-result']"))
    assert result.startswith(f"{over} hours of 1 symbol over 1 %: ./run.sh compare 48")
    assert "looks stale: CoinMarketCap repeats " in text_of(tree)

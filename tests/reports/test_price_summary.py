"""What the page says of a symbol's hours."""

from __future__ import annotations

import pytest

from reports.price_summary import shown_hours, summarize
from tests.support.report_contents import hour_keys, stored_price, table_of
from transformers.coverage import Share

HOURS = hour_keys(5)


@pytest.mark.parametrize(
    ("given", "first", "states", "counts"),
    [
        ("sun...", 0, "sunmmw", (Share(2, 2, 1), 1, 2)),
        ("sun..u", 0, "sunmmu", (Share(2, 2, 1), 1, 2)),
        (".....s", 0, "mmmmms", (Share(0, 5, 0), 0, 5)),
        ("s....n", 0, "smmmmw", (Share(1, 4, 0), 0, 4)),  # a price of the present hour may still come
        (".s..s.", 3, "-s-msw", (Share(2, 1, 0), 0, 1)),
        ("..b...", 0, "mmsmmw", (Share(1, 4, 0), 0, 2)),  # a price that was stored later counts
        ("......", None, "------", (Share(), 0, 0)),
        ("..s...n.s.", 0, "mmsmmmnmsw", (Share(2, 6, 1), 0, 3)),
        ("su.", 0, "suw", (Share(2, 0, 0), 1, 0)),
    ],
)
def test_each_hour_has_a_state(given: str, first: int | None, states: str, counts: tuple[Share, int, int]) -> None:
    """Stored, updated, a hole, both or nothing; coverage, updates and longest gap leave out the last, in progress."""
    keys = hour_keys(len(given) - 1)
    known = dict(zip(keys, given, strict=True))
    prices = [stored_price(hour=hour, is_updated=one == "u") for hour, one in known.items() if one in "sub"]
    first_hours = {} if first is None else {"BTC": keys[first]}
    holes = {"BTC": {hour for hour, one in known.items() if one in "nb"}, "ETH": set(keys)}
    [found] = summarize(keys, [table_of(prices, followed=["BTC"], first_hours=first_hours, holes=holes)])
    assert (found.states, found.never_stored) == (states, first is None)
    assert (found.coverage, found.updated, found.longest_gap) == counts


def test_low_and_high_are_those_of_the_trades() -> None:
    """Where the source has them; the hour in progress has its price only."""
    keys = hour_keys(2)
    rows = [(keys[0], 10.0, 8.5, 11.0), (keys[1], 9.0, 8.75, 12.5), (keys[2], 13.0, None, None)]
    prices = [stored_price(hour=hour, price=price, low=low, high=high) for hour, price, low, high in rows]
    [found] = summarize(keys, [table_of(prices, source="Binance")])
    assert (found.low, found.high) == (8.5, 13.0)


def test_hours_are_shown_from_the_first_that_counts() -> None:
    """Stored or expected, in any table; a day and the present hour stay, and all where nothing is left out."""
    keys = hour_keys(100)

    def shown(hours: list[str], stored: list[str], expected: list[str]) -> list[str]:
        tables = [
            table_of([stored_price(hour=hour) for hour in stored]),
            table_of(first_hours={hour: hour for hour in expected}),
        ]
        return list(shown_hours(hours, tables))

    assert shown(keys, [keys[30]], [keys[40]]) == keys[30:]
    assert shown(keys, [keys[40]], [keys[30]]) == keys[30:]
    assert shown(keys, [keys[-1]], []) == keys[-25:]
    assert shown(keys, [], ["2020-01-01 00:00:00"]) == keys
    assert shown(keys, [], []) == keys
    assert shown(keys[:5], [keys[4]], []) == keys[:5]


def test_an_earlier_price_is_for_the_changes_alone() -> None:
    """A coin whose rows all lie before these hours is shown only where it is followed, without a price."""
    earlier = stored_price("OLD", "2026-11-20 00:00:00")
    assert summarize(HOURS, [table_of([earlier])]) == []
    table = table_of([earlier], followed=["OLD"], first_hours={"OLD": earlier.datetime})
    [found] = summarize(HOURS, [table])
    assert (found.rows, found.last_hour, found.change_24h) == (0, "", None)


def test_a_change_needs_two_prices_that_are_numbers() -> None:
    for before in (0.0, -1.0, float("nan"), float("inf"), 5e-324):
        prices = [stored_price(hour=HOURS[-1], price=1e300), stored_price(hour="2026-11-22 12:00:00", price=before)]
        [found] = summarize(HOURS, [table_of(prices)])
        assert found.change_24h is None


def test_coin_in_two_tables_is_grouped() -> None:
    """By the largest market cap that either knows of it; each says of which source it is."""
    prices = [stored_price("ETH", HOURS[1], market_cap=2.0), stored_price("BTC", HOURS[1], market_cap=1.0)]
    pairs = [price._replace(market_cap=None) for price in [*prices, stored_price("ABC", HOURS[1])]]
    found = summarize(HOURS, [table_of(prices), table_of(pairs, source="Binance")])
    assert [one.label for one in found] == [
        *("ETH \N{MIDDLE DOT} CoinMarketCap", "ETH \N{MIDDLE DOT} Binance"),
        *("BTC \N{MIDDLE DOT} CoinMarketCap", "BTC \N{MIDDLE DOT} Binance"),
        "ABC \N{MIDDLE DOT} Binance",
    ]

"""What may be stored, and why the rest may not."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import PriceRow
from extractors.coin_market_cap_parser import Parsed, Quote
from transformers.coin_market_cap_transformer import latest_batch, past_batch
from transformers.coverage import Hours, Remark

NOW = datetime(2026, 11, 23, 12, 0, 7, tzinfo=timezone.utc)
HOUR_NOW = "2026-11-23 15:00:00"
NUMBERS = {"volume_24h": 1.5, "market_cap": 2.5} | dict.fromkeys(
    ("percent_change_1h", "percent_change_24h", "percent_change_7d")
)
WANTED = {"2026-11-23 14:00:00": NOW}


def latest(*quotes: Quote) -> tuple[list[Any], list[Remark]]:
    batch = latest_batch(Parsed(list(quotes), []), now=NOW, run_id="r1", stale_after=timedelta(hours=24))
    return [*batch.rows], [*batch.rejects]


def historical(*quotes: Quote, wanted: Hours = WANTED) -> tuple[list[Any], list[Remark]]:
    batch = past_batch(Parsed(list(quotes), []), {"BTC": wanted, "ETH": wanted}, now=NOW, run_id="r1")
    return [*batch.rows], [*batch.rejects]


def quote(**changes: object) -> Quote:
    """A valid latest quote of Bitcoin, with the given fields changed."""
    sound = Quote(
        symbol="BTC",
        source_symbol="BTC",
        cmc_id=1,
        name="Bitcoin",
        price=87654.32109876,
        numbers=NUMBERS,
        cmc_rank=1,
        endpoint="latest",
        observed_at=NOW,
        source_updated_at=NOW - timedelta(seconds=67),
    )
    return sound._replace(**changes)  # type: ignore[arg-type]  # each test names fields of Quote


def past(minutes: int, price: float | None = 1.0) -> Quote:
    """A historical quote that many minutes before 15:00 in Tehran."""
    moment = NOW.replace(minute=0, second=0) - timedelta(minutes=minutes + 30)
    return quote(endpoint="historical", observed_at=moment, source_updated_at=moment, price=price)


def test_valid_quote_becomes_a_row() -> None:
    rows, rejects = latest(quote(cmc_rank=7))
    assert rejects == []
    assert rows == [
        PriceRow(
            symbol="BTC",
            cmc_id=1,
            name="Bitcoin",
            price=87654.32109876,
            **NUMBERS,
            cmc_rank=7,
            currency="USD",
            endpoint="latest",
            run_id="r1",
            source_updated_at="2026-11-23 15:29:00",
            fetched_at="2026-11-23 15:30:07",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": None}, "no price"),
        *(({"price": price}, f"not a price: {price}") for price in (math.nan, math.inf, 0.0, -1.0)),
        ({"source_updated_at": NOW + timedelta(minutes=5, seconds=1)}, "from the future (2026-11-23 15:35:08"),
        ({"observed_at": NOW + timedelta(minutes=5, seconds=1)}, "from the future"),
        ({"source_updated_at": NOW - timedelta(hours=24, seconds=1)}, "stale: last updated 2026-11-22 15:30:06"),
        ({"source_symbol": "XBT"}, "calls id 1 'XBT', not 'BTC'"),
    ],
)
def test_invalid_quote_is_rejected_with_its_reason(changes: dict[str, object], reason: str) -> None:
    rows, rejects = latest(quote(**changes), quote(symbol="ETH", source_symbol="ETH", cmc_id=1027))
    assert [row.symbol for row in rows] == ["ETH"]
    assert [(one.symbol, one.name, one.hour) for one in rejects] == [("BTC", "BTC (id 1)", HOUR_NOW)]
    assert reason in rejects[0].reason


@pytest.mark.parametrize(
    "changes",
    [
        {"source_updated_at": NOW + timedelta(minutes=5)},
        {"source_updated_at": NOW - timedelta(hours=24)},
        {"source_updated_at": None},
        {"symbol": "USDE", "source_symbol": "USDe"},
    ],
    ids=["clocks differ a little", "not yet stale", "age unknown", "mixed case"],
)
def test_quote_at_the_limit_is_stored(changes: dict[str, object]) -> None:
    rows, rejects = latest(quote(**changes))
    assert (len(rows), rejects) == (1, [])
    assert (rows[0].source_updated_at is None) == ("source_updated_at" in changes and not changes["source_updated_at"])


def test_coin_given_twice_is_stored_once() -> None:
    rows, rejects = latest(quote(price=1.0), quote(price=2.0))
    assert ([row.price for row in rows], len(rejects)) == ([1.0], 1)
    assert "twice" in rejects[0].reason


@given(st.permutations([past(1, 3.0), past(55, 1.0), past(30, 2.0)]))
def test_earliest_quote_of_an_hour_is_used(quotes: list[Quote]) -> None:
    """Of 14:05, 14:30 and 14:59 the first counts for 14:00, in any order."""
    rows, rejects = historical(*quotes)
    assert ([(row.fetched_at, row.price) for row in rows], rejects) == ([("2026-11-23 14:05:00", 1.0)], [])


def test_second_price_for_the_same_time_is_rejected() -> None:
    for served, price in (([past(30, 2.0), past(30, 2.0), past(30, 3.0)], 2.0), ([past(60, 1.0), past(60, 1.5)], 1.0)):
        rows, rejects = historical(*served)
        assert [row.price for row in rows] == [price]
        assert [(one.name, one.hour) for one in rejects] == [("BTC (id 1)", "2026-11-23 14:00:00")]
        assert "same time" in rejects[0].reason


def test_null_prices_and_unwanted_hours_are_left_out() -> None:
    other = past(60)._replace(symbol="ETH", source_symbol="ETH")
    quotes = [past(0), past(61), past(120), past(60, None), past(30, 2.0), other]
    rows, rejects = historical(*quotes)
    assert ([(row.symbol, row.price) for row in rows], rejects) == ([("BTC", 2.0), ("ETH", 1.0)], [])


def test_hour_that_came_twice_keeps_the_earlier_instant() -> None:
    """On 2022-09-21 only quotes of the first 23:00 count."""
    early, late = (datetime(2022, 9, 21, hour, 40, tzinfo=timezone.utc) for hour in (18, 19))
    quotes = [quote(observed_at=at, source_updated_at=at, price=price) for at, price in ((late, 2.0), (early, 1.0))]
    wanted = {"2022-09-21 23:00:00": early}
    assert [row.price for row in historical(*quotes, wanted=wanted)[0]] == [1.0]
    assert historical(*quotes[:1], wanted=wanted) == ([], [])

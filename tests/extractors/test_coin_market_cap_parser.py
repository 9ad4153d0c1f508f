"""CoinMarketCap's JSON as quotes, in every layout it comes in."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ContractError
from adapters._bases.json_values import json_value
from extractors.coin_market_cap_parser import Coin, Parsed, parse_quotes

FIXTURES = Path(__file__).parents[1] / "fixtures" / "coinmarketcap"
NOW = datetime(2026, 11, 22, 12, 0, 21, tzinfo=timezone.utc)
COINS = [Coin("BTC", 1), Coin("ETH", 1027), Coin("SOL", 5426)]
LATEST = ["v2_quotes_latest", "v2_quotes_latest_by_id", "v3_quotes_latest"]
HISTORICAL = sorted(path.stem for path in FIXTURES.glob("*historical*.json"))
HUGE = "9" * 5000
"""More digits than Python makes an int of."""


def data_of(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text())["data"]


def read(data: object) -> object:
    """The data as the adapter hands them on; the text "<huge>" stands for an unquoted `HUGE`."""
    text = data if isinstance(data, bytes) else json.dumps(data).replace('"<huge>"', HUGE).encode()
    return json_value(text)


def latest(data: object, coins: list[Coin] = COINS) -> Parsed:
    return parse_quotes(read(data), coins, "latest", observed_at=NOW)


def historical(data: object) -> Parsed:
    return parse_quotes(read(data), COINS, "historical")


def bitcoin(*, quoted: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """A coin as v3 has it, changed at its top, or in its quote."""
    quote = {"symbol": "USD", "price": 87654.5, "last_updated": "2026-11-22T11:59:00.000Z", **(quoted or {})}
    return {"id": 1, "name": "Bitcoin", "symbol": "BTC", "cmc_rank": 1, "quote": [quote], **changes}


def points(*stamps: tuple[object, object]) -> dict[str, Any]:
    """A historical answer for BTC with (outer, inner) stamps."""
    quotes = [{"timestamp": outer, "quote": {"USD": {"price": 1.5, "timestamp": inner}}} for outer, inner in stamps]
    return {"1": {"id": 1, "name": "Bitcoin", "symbol": "BTC", "quotes": quotes}}


SPARE = ["volume_24h", "market_cap", "percent_change_1h", "percent_change_24h", "percent_change_7d"]
ODD_IDS: list[object] = ["one", None, 0, 2**32, {}]
ODD_QUOTES: list[object] = [None, [], {"EUR": {}}, {"USD": []}]
ODD_PRICES: list[object] = ["87654.5", True, 10**400, {}]
ETHER = {**bitcoin(), "id": 1027, "symbol": "ETH", "name": "Ethereum"}
OUTER = "2026-11-22T10:30:00.000Z"


@pytest.mark.parametrize("name", LATEST)
def test_latest_gives_the_same_quotes_in_every_layout(name: str) -> None:
    quotes = {quote.symbol: quote for quote in latest(data_of(name)).quotes}
    assert set(quotes) == {"BTC", "ETH", "SOL"}
    assert (quotes["BTC"].price, quotes["ETH"].price) == (87654.32109876, 2834.5678901234)
    assert quotes["SOL"].cmc_id == 5426
    assert quotes["BTC"].source_updated_at == datetime(2026, 11, 22, 11, 59, tzinfo=timezone.utc)
    assert (quotes["BTC"].endpoint, quotes["BTC"].observed_at, quotes["BTC"].cmc_rank) == ("latest", NOW, 1)
    assert quotes["BTC"].flaws == ()


def test_every_number_goes_to_its_own_field() -> None:
    numbers = dict(zip(SPARE, (2.5, 3, 4.5, -5.5, 6.5), strict=True))
    (quote,) = latest([bitcoin(quoted=numbers)]).quotes
    assert quote[:7] == ("BTC", "BTC", 1, "Bitcoin", 87654.5, numbers, 1)
    assert isinstance(quote.numbers["market_cap"], float)


def test_coin_is_identified_by_its_own_id() -> None:
    parsed = latest(data_of("v2_quotes_latest"))
    assert {quote.cmc_id for quote in parsed.quotes} == {1, 1027, 5426}
    assert ["990143, which was not requested" in reject.reason for reject in parsed.rejects] == [True]
    assert [(quote.symbol, quote.cmc_id) for quote in latest({"1027": bitcoin()}).quotes] == [("BTC", 1)]


def test_renamed_coin_has_both_symbols_and_two_symbols_may_share_an_id() -> None:
    quotes = latest([bitcoin(symbol="NEW")], [Coin("BTC", 1), Coin("XBT", 1)]).quotes
    assert [(quote.symbol, quote.source_symbol) for quote in quotes] == [("BTC", "NEW"), ("XBT", "NEW")]


@pytest.mark.parametrize("data", [[], {}, {"XYZ": []}])
def test_empty_answer_has_no_quotes(data: object) -> None:
    assert latest(data) == historical(data) == Parsed([], [])


@pytest.mark.parametrize("data", [None, "data", 1, True, 1.5])
def test_data_that_is_not_a_collection_breaks_the_contract(data: object) -> None:
    for parse in (latest, historical):
        with pytest.raises(ContractError):
            parse(data)


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        (b"null", "data[0]"),
        (b'{"id": 1, "symbol": "BTC", "name": "\xff"}', "data[0].quote has no quote in USD"),
        *((bitcoin(id=odd), "data[0].id is not an id: ") for odd in ODD_IDS),
        *((bitcoin(symbol=odd), "data[0].symbol") for odd in ("B" * 201, 5)),
        *((bitcoin(quote=odd), "data[0].quote has no quote in USD") for odd in ODD_QUOTES),
        *((bitcoin(quoted={"price": odd}), "data[0].quote.USD.price is not a number: ") for odd in ODD_PRICES),
    ],
)
def test_malformed_coin_is_named_and_the_others_are_kept(bad: object, place: str) -> None:
    first = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    parsed = latest(b"[" + first + b", " + json.dumps(ETHER).encode() + b"]")
    assert [quote.symbol for quote in parsed.quotes] == ["ETH"]
    (reject,) = parsed.rejects
    assert reject.reason.startswith(place)


ODD_RANKS: list[object] = [0, 2**31, 10**60, "first", 1.5, False, []]
ODD_NUMBERS: list[object] = [[], {}, False, 10**400, "<huge>"]
ODD_TIMES: list[object] = ["", "yesterday", 1763812740, [], "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        *((bitcoin(cmc_rank=rank), "cmc_rank") for rank in ODD_RANKS),
        *((bitcoin(quoted={name: "many"}), name) for name in SPARE),
        *((bitcoin(quoted={"market_cap": value}), "market_cap") for value in ODD_NUMBERS),
        *((bitcoin(quoted={"last_updated": value}), "source_updated_at") for value in ODD_TIMES),
    ],
)
def test_unreadable_spare_field_is_left_empty_and_noted(bad: object, field: str) -> None:
    parsed = latest([bad])
    (quote,) = parsed.quotes
    value = quote.numbers[field] if field in SPARE else getattr(quote, field)
    assert (quote.price, value, parsed.rejects) == (87654.5, None, [])
    (flaw,) = quote.flaws
    assert flaw.startswith("data[0]")
    assert f".{'last_updated' if field == 'source_updated_at' else field} is not" in flaw


@pytest.mark.parametrize(("given", "rank"), [(2**31 - 1, 2**31 - 1), ("7", 7), (None, None)])
def test_rank_up_to_the_columns_maximum_is_kept(given: object, rank: int | None) -> None:
    (quote,) = latest([bitcoin(cmc_rank=given)]).quotes
    assert (quote.cmc_rank, quote.flaws) == (rank, ())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_price_keeps_every_digit(price: float) -> None:
    for form in (price, int(price)) if abs(price) < 1e15 else (price,):
        (quote,) = latest([bitcoin(quoted={"price": form})]).quotes
        assert (quote.price, type(quote.price)) == (form, float)


@pytest.mark.parametrize(
    ("name", "kept"), [(None, "BTC"), (5, "BTC"), ("B" * 201, "B" * 200), ("B" * 200, "B" * 200), ("\ud800", "?")]
)
def test_name_that_cannot_be_stored_is_replaced(name: object, kept: str) -> None:
    (quote,) = latest([bitcoin(name=name)]).quotes
    assert (quote.name, quote.price) == (kept, 87654.5)
    assert len(quote.flaws) == (kept not in {str(name), "?"})


def test_coins_own_time_replaces_a_missing_one_of_the_quote() -> None:
    stamp, other = "2026-11-22T11:58:00Z", "2026-11-22T11:57:00Z"
    for inner, outer in ((None, stamp), (stamp, other)):
        (quote,) = latest([bitcoin(quoted={"last_updated": inner}, last_updated=outer)]).quotes
        assert quote.source_updated_at == datetime(2026, 11, 22, 11, 58, tzinfo=timezone.utc)
    assert latest([bitcoin(quoted={"last_updated": None})]).quotes[0].source_updated_at is None


@pytest.mark.parametrize("name", HISTORICAL)
def test_historical_is_read_in_every_layout(name: str) -> None:
    parsed = historical(data_of(name))
    assert parsed.rejects == []
    assert parsed.quotes
    assert {quote.endpoint for quote in parsed.quotes} == {"historical"}
    assert all(quote.source_updated_at == quote.observed_at and not quote.flaws for quote in parsed.quotes)


def test_recorded_point_keeps_its_last_digit_and_its_inner_time() -> None:
    first = historical(data_of("v3_quotes_historical_daily_btc")).quotes[0]
    assert (first.price, first.numbers["market_cap"]) == (8553.96966079, 156084173198.82953)
    assert (first.observed_at, first.cmc_rank) == (datetime(2020, 3, 2, tzinfo=timezone.utc), None)
    last = historical(data_of("v2_quotes_historical_offgrid_and_gap")).quotes[-1]
    assert last.observed_at == datetime(2026, 11, 22, 12, 4, 16, tzinfo=timezone.utc)


def test_outer_time_replaces_an_unreadable_inner_one() -> None:
    """It is noted; with neither the point is rejected, as is one that is not an object, and the others are kept."""
    data = points((OUTER, "soon"), ("never", "soon"), ("never", OUTER), (OUTER, None), (None, None))
    data["1"]["quotes"].append("point")
    parsed = historical(data)
    assert [quote.observed_at.minute for quote in parsed.quotes] == [30, 30, 30]
    assert [len(quote.flaws) for quote in parsed.quotes] == [1, 0, 0]
    assert parsed.quotes[0].flaws[0].startswith("data.'1'.quotes[0].quote.USD.timestamp is not a time: 'soon'")
    assert [(reject.symbol, reject.name) for reject in parsed.rejects] == [("BTC", "BTC (id 1)")] * 3
    assert [reject.reason[:18] for reject in parsed.rejects] == [f"data.'1'.quotes[{index}]" for index in (1, 4, 5)]


def test_coin_without_a_list_of_points_is_rejected() -> None:
    """An empty list is a hole in history; no list is a fault, as is a coin without a symbol, or, by point, a name."""
    assert historical(points()) == Parsed([], [])
    assert len(historical({"1": {"id": 1, "symbol": "BTC"}}).rejects) == 1
    assert len(historical({"1": {"id": 1, "symbol": None, "quotes": []}}).rejects) == 1
    unnamed = points((OUTER, None), (OUTER, "soon"))
    unnamed["1"]["name"] = None
    assert [len(quote.flaws) for quote in historical(unnamed).quotes] == [1, 2]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in [(*path, key), *places_in(item, (*path, key))]]


BODIES = {name: data_of(name) for name in [*LATEST, *HISTORICAL]}
PLACES = {name: places_in(data) for name, data in BODIES.items()}


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A stored body with one of its nodes replaced."""
    name = draw(st.sampled_from(sorted(BODIES)))
    data = node = copy.deepcopy(BODIES[name])
    *above, last = draw(st.sampled_from(PLACES[name]))
    for key in above:
        node = node[key]
    node[last] = draw(JUNK)
    return data


@given(damaged() | JUNK)
def test_damaged_answer_gives_quotes_rejects_or_a_contract_error(data: object) -> None:
    for parse in (latest, historical):
        try:
            parsed = parse(data)
        except ContractError:
            continue
        assert {quote.cmc_id for quote in parsed.quotes} <= {1, 1027, 5426}
        assert all(quote.observed_at.tzinfo is not None for quote in parsed.quotes)
        assert all(type(quote.price) in (float, type(None)) for quote in parsed.quotes)
        reasons = [flaw for quote in parsed.quotes for flaw in quote.flaws] + [one.reason for one in parsed.rejects]
        assert all(reason.isprintable() and len(reason) < 400 for reason in reasons)

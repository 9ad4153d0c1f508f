"""CoinMarketCap's JSON as quotes, in every layout it comes in."""

from __future__ import annotations

import copy
import json
import math
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters._bases.errors import ContractError
from adapters._bases.http_adapter import Answer
from adapters.http.coin_market_cap_http_adapter import coins_body
from extractors.coin_market_cap_parser import Parsed, parse_historical, parse_latest
from extractors.coin_market_cap_quote import Coin

FIXTURES = Path(__file__).parents[1] / "fixtures" / "coinmarketcap"
NOW = datetime(2026, 11, 22, 12, 0, 21, tzinfo=timezone.utc)
BTC, ETH, SOL = Coin("BTC", 1), Coin("ETH", 1027), Coin("SOL", 5426)
COINS = [BTC, ETH, SOL]
LATEST = ["v2_quotes_latest", "v2_quotes_latest_by_id", "v3_quotes_latest"]
HISTORICAL = sorted(path.stem for path in FIXTURES.glob("*historical*.json"))


def data_of(name: str) -> Any:
    """``data`` of a stored body."""
    return json.loads((FIXTURES / f"{name}.json").read_text())["data"]


def one(**changes: object) -> dict[str, Any]:
    """A coin as v3 has it, changed at its top."""
    quote = {"id": 2781, "symbol": "USD", "price": 87654.5, "last_updated": "2026-11-22T11:59:00.000Z"}
    return {"id": 1, "name": "Bitcoin", "symbol": "BTC", "cmc_rank": 1, "quote": [quote], **changes}


def one_quoted(**changes: object) -> dict[str, Any]:
    """A coin whose quote is changed."""
    coin = one()
    coin["quote"][0].update(changes)
    return coin


def latest(data: object) -> Parsed:
    """What is in a latest answer for the usual coins."""
    return parse_latest(data, COINS, "USD", NOW)


def text_of(data: object) -> object:
    """The data as they come from the source: text, wherever that is JSON by the standard."""
    return from_wire(json.dumps(data).encode())


def from_wire(data: bytes) -> object:
    """The data of an answer that holds this text."""
    return coins_body(Answer("cmc.test", 200, b'{"status": {}, "data": ' + data + b"}")).data


@pytest.mark.parametrize("name", [*LATEST, *HISTORICAL])
def test_text_and_values_give_the_same(name: str) -> None:
    """Every layout, read at once from its text, gives what its JSON value gives field by field."""
    data = data_of(name)
    assert isinstance(text_of(data), msgspec.Raw)
    assert latest(text_of(data)) == latest(data)
    assert parse_historical(text_of(data), COINS, "USD") == parse_historical(data, COINS, "USD")


@pytest.mark.parametrize("bad", [b'{"id": 1027, "name": "\xff"}', b"[]", b"7", b'"coin"', b'{"id": 1027}'])
def test_a_coin_whose_text_cannot_be_read_costs_no_other(bad: bytes) -> None:
    """Bytes that are not UTF-8 in one coin are named with its place; the next coin is kept."""
    parsed = latest(from_wire(b"[" + bad + b", " + json.dumps(one()).encode() + b"]"))
    assert [quote.symbol for quote in parsed.quotes] == ["BTC"]
    assert len(parsed.problems) == 1
    assert "data[0]" in parsed.problems[0].reason


@pytest.mark.parametrize("name", LATEST)
def test_every_layout_of_latest_gives_the_same_quotes(name: str) -> None:
    """By symbol, by id and v3's lists: the very prices, under the coins' own ids."""
    quotes = {quote.symbol: quote for quote in latest(data_of(name)).quotes}
    assert set(quotes) == {"BTC", "ETH", "SOL"}
    assert quotes["BTC"].price == 87654.32109876
    assert quotes["ETH"].price == 2834.5678901234
    assert quotes["SOL"].cmc_id == 5426
    assert quotes["BTC"].source_updated_at == datetime(2026, 11, 22, 11, 59, tzinfo=timezone.utc)
    assert (quotes["BTC"].endpoint, quotes["BTC"].observed_at, quotes["BTC"].cmc_rank) == ("latest", NOW, 1)


def test_another_coin_under_the_symbol_is_never_taken() -> None:
    """The coin is known by its id, though another of its symbol comes first; that one is reported."""
    parsed = latest(data_of("v2_quotes_latest"))
    assert {quote.cmc_id for quote in parsed.quotes} == {1, 1027, 5426}
    assert [problem.cmc_id for problem in parsed.problems] == [990143]
    assert "not asked for" in parsed.problems[0].reason


def test_the_container_key_says_nothing() -> None:
    """An object under another coin's key is still the coin that its own id says."""
    quotes = latest({"1027": one()}).quotes
    assert [(quote.symbol, quote.cmc_id) for quote in quotes] == [("BTC", 1)]


@pytest.mark.parametrize("data", [[], {}, {"XYZ": []}])
def test_an_empty_answer_has_nothing(data: object) -> None:
    """Unknown coins are left out of the answer, in three ways."""
    assert latest(data) == Parsed([], [])


@pytest.mark.parametrize("data", [None, "data", 1, True, 1.5])
def test_data_that_is_no_collection_breaks_the_contract(data: object) -> None:
    """A malformed whole is an error, with its place."""
    with pytest.raises(ContractError) as caught:
        latest(data)
    assert caught.value.json_path == "data"
    with pytest.raises(ContractError):
        parse_historical(data, COINS, "USD")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, "is not an object"),
        ([], "is not an object"),
        (one(id="one"), ".id is not an id: 'one'"),
        (one(id=None), ".id is not an id: null"),
        (one(id=1.5), ".id is not an id"),
        (one(id=0), ".id is not an id"),
        (one(id=math.inf), ".id is not an id"),
        (one(id=2**32), ".id is not an id"),
        (one(id={}), ".id is not an id: an object"),
        (one(symbol="B" * 201), ".symbol is not a text of at most 200 characters"),
        (one(symbol="\ud800"), ".symbol is not a text"),
        (one(quote=None), "has no quote in USD"),
        (one(quote=[]), "has no quote in USD"),
        (one(quote={"EUR": {}}), "has no quote in USD"),
        (one(quote={"USD": []}), "is not an object: a list"),
        (one_quoted(price="87654.5"), ".price is not a number: '87654.5'"),
        (one_quoted(price=True), ".price is not a number"),
        (one_quoted(price=10**400), "a double can hold"),
        (one_quoted(price={}), ".price is not a number: an object"),
    ],
)
def test_a_malformed_coin_does_not_cost_the_others(bad: object, words: str) -> None:
    """One coin that is not as documented is named with the place and the reason; the rest is kept."""
    eth = {**one(), "id": 1027, "symbol": "ETH", "name": "Ethereum"}
    parsed = latest([bad, eth])
    assert [quote.symbol for quote in parsed.quotes] == ["ETH"]
    assert len(parsed.problems) == 1
    assert words in parsed.problems[0].reason


@pytest.mark.parametrize(
    ("bad", "field", "words"),
    [
        (one(cmc_rank=10**60), "cmc_rank", ".cmc_rank is not a rank: a huge number; it is left empty"),
        (one(cmc_rank=0), "cmc_rank", ".cmc_rank is not a rank: 0; it is left empty"),
        (one(cmc_rank="first"), "cmc_rank", ".cmc_rank is not a rank: 'first'; it is left empty"),
        (one(cmc_rank=1.5), "cmc_rank", ".cmc_rank is not a rank: 1.5; it is left empty"),
        (one(cmc_rank=False), "cmc_rank", ".cmc_rank is not a rank: false; it is left empty"),
        (one_quoted(volume_24h="many"), "volume_24h", ".volume_24h is not a number: 'many'; it is left empty"),
        (one_quoted(market_cap=[]), "market_cap", ".market_cap is not a number: a list; it is left empty"),
        (one_quoted(percent_change_1h=10**400), "percent_change_1h", "a double can hold: a huge number; it is left"),
        (one_quoted(percent_change_24h=False), "percent_change_24h", "is not a number: false; it is left empty"),
        (one_quoted(percent_change_7d={}), "percent_change_7d", "is not a number: an object; it is left empty"),
        (one_quoted(volume_24h=math.nan), "volume_24h", "is not a finite number: nan; it is left empty"),
        (one_quoted(market_cap=-math.inf), "market_cap", "is not a finite number: -inf; it is left empty"),
        (one_quoted(last_updated=""), "source_updated_at", ".last_updated is not a time: ''; it is left empty"),
        (one_quoted(last_updated="yesterday"), "source_updated_at", ".last_updated is not a time: 'yesterday'; it is"),
        (one_quoted(last_updated=1763812740), "source_updated_at", ".last_updated is not a time: 1763812740; it is"),
        (one_quoted(last_updated=[]), "source_updated_at", ".last_updated is not a time: a list; it is left empty"),
        (one_quoted(last_updated="2026-13-01T00:00:00Z"), "source_updated_at", ".last_updated is not a time"),
        (one_quoted(last_updated="0001-01-01T00:00:00Z"), "source_updated_at", ".last_updated is not a time"),
        (one_quoted(last_updated="0001-01-01T00:00:00+23:00"), "source_updated_at", ".last_updated is not a time"),
        (one_quoted(last_updated="9999-12-31T23:59:59Z"), "source_updated_at", ".last_updated is not a time"),
    ],
)
def test_what_a_price_can_do_without_does_not_cost_it(bad: object, field: str, words: str) -> None:
    """It is left empty and noted with its place; the price is kept."""
    parsed = latest([bad])
    (quote,) = parsed.quotes
    assert (quote.price, getattr(quote, field), parsed.problems) == (87654.5, None, [])
    (flaw,) = quote.flaws
    assert flaw.field == ("last_updated" if field == "source_updated_at" else field)
    assert words in flaw.reason


@pytest.mark.parametrize("form", [1, 1.0, "1", " 1 ", "1.0", "01", True])
def test_ids_and_ranks_count_however_they_are_written(form: object) -> None:
    """A whole number as a float, a text or true is that number, and nothing to be noted."""
    for data in ([one(id=form, cmc_rank=form)], text_of([one(id=form, cmc_rank=form)])):
        (quote,) = latest(data).quotes
        assert (quote.cmc_id, quote.cmc_rank, quote.flaws) == (1, 1, ())
    past = {"1": {"id": form, "name": "Bitcoin", "symbol": "BTC", "quotes": []}}
    assert parse_historical(text_of(past), COINS, "USD") == Parsed([], [])


@pytest.mark.parametrize("field", ["market_cap", "circulating_supply"])
@pytest.mark.parametrize("where", ["quote", "coin"])
def test_an_endless_number_costs_its_field_alone(field: str, where: str) -> None:
    """A whole number of 5,000 digits, beyond what Python makes an int of, in one coin: no other coin notices."""
    coin = one_quoted(**{field: "@"}) if where == "quote" else one(**{field: "@"})
    eth = {**one(), "id": 1027, "symbol": "ETH", "name": "Ethereum"}
    text = json.dumps([coin, eth]).replace('"@"', "9" * 5000)
    for data in (from_wire(text.encode()), from_wire(text.replace("Ethereum", "\\ud800").encode())):
        bitcoin, ethereum = latest(data).quotes
        assert (bitcoin.price, bitcoin.market_cap, ethereum.price) == (87654.5, None, 87654.5)
        read_and_lost = field == "market_cap" and where == "quote"
        assert [flaw.field for flaw in bitcoin.flaws] == (["market_cap"] if read_and_lost else [])


def test_an_endless_price_costs_its_row_alone() -> None:
    """The price is what a row is for; the transformer refuses an infinite one by name."""
    text = json.dumps([one_quoted(price="@")]).replace('"@"', "9" * 5000)
    (quote,) = latest(from_wire(text.encode())).quotes
    assert quote.price == math.inf


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-22T11:58:07.123456Z",
        "2026-11-22T11:58:07.1234567Z",
        "2026-11-22T11:58:07.123456999999Z",
        "2026-11-22T11:58:07.123456",
        "2026-11-22 11:58:07.123456+0000",
        "2026-11-22T15:28:07,123456+03:30",
        "2026-11-22t10:58:07.123456-01z".removesuffix("z"),
    ],
)
def test_a_time_counts_however_it_is_written(stamp: str) -> None:
    """Any number of digits of a second, cut and never rounded; any form of zone, and without one UTC: no flaw."""
    (quote,) = latest([one_quoted(last_updated=stamp)]).quotes
    assert quote.source_updated_at == datetime(2026, 11, 22, 11, 58, 7, 123456, tzinfo=timezone.utc)
    assert quote.flaws == ()


def test_a_past_time_that_cannot_be_read_gives_way_to_the_other() -> None:
    """The interval's stamp stands in, noted; with neither the point is a problem and the others are kept."""
    outer = "2026-11-22T10:30:00.000Z"
    parsed = parse_historical(points((outer, "soon"), ("never", "soon"), ("never", outer)), COINS, "USD")
    assert [quote.observed_at.minute for quote in parsed.quotes] == [30, 30]
    assert [flaw.reason for flaw in parsed.quotes[0].flaws] == [
        "data.'1'.quotes[0].quote.USD.timestamp is not a time: 'soon'; another time of the coin stands in"
    ]
    assert parsed.quotes[1].flaws == ()
    assert "quotes[1] has no timestamp" in parsed.problems[0].reason


@pytest.mark.parametrize(
    ("name", "kept", "words"),
    [
        (None, "BTC", ".name is not a text: null; BTC stands in"),
        ("\ud800", "BTC", "BTC stands in"),
        ("B" * 201, "B" * 200, ".name is not a text of at most 200 characters"),
        ("B" * 201, "B" * 200, "; it is cut"),
    ],
)
def test_a_name_that_cannot_be_stored_does_not_cost_the_price(name: object, kept: str, words: str) -> None:
    """A long one is cut, the symbol stands in for any other."""
    (quote,) = latest([one(name=name)]).quotes
    assert (quote.name, quote.price) == (kept, 87654.5)
    (flaw,) = quote.flaws
    assert words in flaw.reason


def test_every_flaw_of_a_coin_is_noted() -> None:
    """One does not hide the others."""
    (quote,) = latest([{**one_quoted(volume_24h="?", market_cap="?"), "cmc_rank": -1, "name": 5}]).quotes
    assert {flaw.field for flaw in quote.flaws} == {"name", "volume_24h", "market_cap", "cmc_rank"}


def test_null_and_absent_numbers_are_unknown_not_zero() -> None:
    """What CoinMarketCap leaves null stays null, the price too: the transformer judges it."""
    (quote,) = latest([one_quoted(price=None)]).quotes
    assert (quote.price, quote.volume_24h, quote.market_cap, quote.percent_change_7d) == (None, None, None, None)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_tokens_that_are_no_numbers_pass_as_floats(token: str) -> None:
    """Python's JSON reader takes them; the parser hands them on for the transformer to reject."""
    (quote,) = latest(json.loads(json.dumps([one_quoted(price="@")]).replace('"@"', token))).quotes
    assert quote.price is not None
    assert not math.isfinite(quote.price)


@given(st.floats(allow_nan=False))
def test_a_price_keeps_every_digit(price: float) -> None:
    """A double that JSON carries comes out as the same double."""
    (quote,) = latest(json.loads(json.dumps([one_quoted(price=price)]))).quotes
    assert quote.price == price


def test_a_whole_price_is_a_float() -> None:
    """JSON writes 87654.0 as 87654 at times."""
    (quote,) = latest([one_quoted(price=87654)]).quotes
    assert isinstance(quote.price, float)


def test_a_renamed_coin_shows_both_symbols() -> None:
    """The symbol asked for stays; the one in the answer stands beside it."""
    (quote,) = latest([one(symbol="XBT")]).quotes
    assert (quote.symbol, quote.source_symbol) == ("BTC", "XBT")


def test_one_id_under_two_symbols_gives_a_quote_for_each() -> None:
    """Two symbols may mean one coin."""
    quotes = parse_latest([one()], [BTC, Coin("XBT", 1)], "USD", NOW).quotes
    assert [quote.symbol for quote in quotes] == ["BTC", "XBT"]


def test_the_coins_own_stamp_stands_in_for_a_missing_one_of_the_quote() -> None:
    """Staleness can be told whichever of the two is there, and is unknown with neither."""
    stamp = "2026-11-22T11:58:00Z"
    (quote,) = latest([{**one_quoted(last_updated=None), "last_updated": stamp}]).quotes
    assert quote.source_updated_at == datetime(2026, 11, 22, 11, 58, tzinfo=timezone.utc)
    assert latest([one_quoted(last_updated=None)]).quotes[0].source_updated_at is None


@pytest.mark.parametrize("name", HISTORICAL)
def test_every_layout_of_historical_is_read(name: str) -> None:
    """By symbol, by id, one bare object, as recorded: every point comes out, none is a problem."""
    parsed = parse_historical(data_of(name), COINS, "USD")
    assert parsed.problems == []
    assert parsed.quotes
    assert {quote.endpoint for quote in parsed.quotes} == {"historical"}
    assert all(quote.source_updated_at == quote.observed_at for quote in parsed.quotes)


def test_recorded_prices_come_out_to_the_last_digit() -> None:
    """A body as really served."""
    first = parse_historical(data_of("v3_quotes_historical_daily_btc"), COINS, "USD").quotes[0]
    assert (first.price, first.market_cap) == (8553.96966079, 156084173198.82953)
    assert first.observed_at == datetime(2020, 3, 2, tzinfo=timezone.utc)
    assert first.cmc_rank is None


def test_a_point_is_observed_at_its_own_inner_time() -> None:
    """Where the interval's stamp and the quote's own differ, the quote's own counts."""
    last = parse_historical(data_of("v2_quotes_historical_offgrid_and_gap"), COINS, "USD").quotes[-1]
    assert last.observed_at == datetime(2026, 11, 22, 12, 4, 16, tzinfo=timezone.utc)


def points(*stamps: tuple[object, object]) -> dict[str, Any]:
    """A historical answer for BTC with (outer, inner) stamps."""
    quotes = [{"timestamp": outer, "quote": {"USD": {"price": 1.5, "timestamp": inner}}} for outer, inner in stamps]
    return {"1": {"id": 1, "name": "Bitcoin", "symbol": "BTC", "quotes": quotes}}


def test_the_outer_stamp_stands_in_for_a_missing_inner_one() -> None:
    """A point without its own time takes the interval's."""
    (quote,) = parse_historical(points(("2026-11-22T10:30:00.000Z", None)), COINS, "USD").quotes
    assert quote.observed_at == datetime(2026, 11, 22, 10, 30, tzinfo=timezone.utc)


def test_a_malformed_point_does_not_cost_the_others() -> None:
    """A point without any time is named; the next one is kept."""
    data = points((None, None), ("2026-11-22T10:30:00.000Z", None))
    data["1"]["quotes"].append("point")
    parsed = parse_historical(data, COINS, "USD")
    assert len(parsed.quotes) == 1
    assert [problem.symbol for problem in parsed.problems] == ["BTC", "BTC"]
    assert "quotes[0] has no timestamp" in parsed.problems[0].reason


def test_a_coin_without_a_list_of_points_is_a_problem() -> None:
    """An empty list is a hole in history; no list at all is a fault."""
    assert parse_historical(points(), COINS, "USD") == Parsed([], [])
    parsed = parse_historical({"1": {"id": 1, "name": "Bitcoin", "symbol": "BTC"}}, COINS, "USD")
    assert ".quotes is absent" in parsed.problems[0].reason


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every node below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in [(*path, key), *places_in(item, (*path, key))]]


BODIES = {name: data_of(name) for name in [*LATEST, *HISTORICAL, "map_by_symbol"]}
PLACES = {name: places_in(data) for name, data in BODIES.items()}


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A stored body with one to four of its nodes replaced, removed or renamed."""
    name = draw(st.sampled_from(sorted(BODIES)))
    data = copy.deepcopy(BODIES[name])
    for _ in range(draw(st.integers(1, 4))):
        *above, last = draw(st.sampled_from(PLACES[name]))
        node = data
        for key in above:
            node = node[key] if isinstance(node, (dict, list)) and _has(node, key) else None
        if not isinstance(node, (dict, list)) or not _has(node, last):
            continue
        if draw(st.booleans()):
            node[last] = draw(JUNK)
        else:
            del node[last]
    return data


def _has(node: Any, key: Any) -> bool:
    return key in node if isinstance(node, dict) else isinstance(key, int) and key < len(node)


@settings(max_examples=400, deadline=None)
@given(damaged() | JUNK)
def test_only_our_own_errors_come_out_whatever_the_answer(data: object) -> None:
    """Damage to any layout gives quotes of coins asked for, named problems, or a `ContractError`; as text the same."""
    text = text_of(data)
    for parse in (latest, lambda value: parse_historical(value, COINS, "USD")):
        try:
            parsed = parse(data)
        except ContractError:
            with pytest.raises(ContractError):
                parse(text)
            continue
        assert repr(parse(text)) == repr(parsed)
        assert {quote.cmc_id for quote in parsed.quotes} <= {1, 1027, 5426}
        for quote in parsed.quotes:
            assert quote.observed_at.tzinfo is not None
            assert type(quote.price) in (float, type(None))
            assert len(quote.name.encode(errors="strict")) <= 800
            for flaw in quote.flaws:
                assert flaw.reason.isprintable()
                assert len(flaw.reason) < 400
        for problem in parsed.problems:
            assert problem.reason.isprintable()
            assert len(problem.reason) < 400

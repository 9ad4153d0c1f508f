"""Which calls are made, and what comes of them, at the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from adapters._bases.errors import ConfigurationError, ContractError, SourceRejected, SourceUnavailable, StateError
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_extractor import CoinMarketCapExtractor, Refusal
from extractors.coin_market_cap_plan import HistoricalCall
from extractors.coin_market_cap_quote import Coin

FIXTURES = Path(__file__).parents[1] / "fixtures" / "coinmarketcap"
BASE = "https://cmc.test"
LATEST = f"{BASE}/v3/cryptocurrency/quotes/latest"
HISTORICAL = f"{BASE}/v3/cryptocurrency/quotes/historical"
MAP = f"{BASE}/v1/cryptocurrency/map"
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=timezone.utc)


@asynccontextmanager
async def extractor(folder: Path, *, attempts: int = 1) -> AsyncIterator[CoinMarketCapExtractor]:
    """An extractor whose choices are kept in ``folder``."""
    retry = RetryPolicy(attempts=attempts, wait_initial_seconds=0, wait_max_seconds=0, wait_jitter_seconds=0)
    async with HttpAdapter(base_url=BASE, headers={}, timeout_seconds=5, retry=retry, clock=lambda: NOW) as http:
        source = CoinMarketCapHttpAdapter(http=http, clock=lambda: NOW, keyless=False)
        yield CoinMarketCapExtractor(source=source, choices=CoinChoices(path=folder / "coins.json"))


def good(data: object) -> httpx.Response:
    """An answer of success."""
    return httpx.Response(200, json={"status": {"error_code": "0", "credit_count": 1}, "data": data})


def refused(status: int, code: int, text: str = "no") -> httpx.Response:
    """An answer of failure."""
    return httpx.Response(status, json={"status": {"error_code": code, "error_message": text}})


def ids_of(request: httpx.Request) -> list[int]:
    """The ids asked for."""
    return [int(cmc_id) for cmc_id in request.url.params["id"].split(",")]


def latest_coin(cmc_id: int) -> dict[str, Any]:
    """A coin of a latest answer, its price its id."""
    quote = [{"symbol": "USD", "price": float(cmc_id), "last_updated": "2026-11-22T12:29:00.000Z"}]
    return {"id": cmc_id, "name": f"Coin {cmc_id}", "symbol": f"C{cmc_id}", "cmc_rank": cmc_id, "quote": quote}


def files_in(folder: Path) -> list[str]:
    """What was kept."""
    return [path.name for path in folder.iterdir()]


def coins_of(number: int) -> list[Coin]:
    """Coins with the ids 1 to ``number``."""
    return [Coin(f"C{cmc_id}", cmc_id) for cmc_id in range(1, number + 1)]


def map_rows() -> Any:
    """The stored map, with another and better ranked BTC that is no longer active."""
    rows = json.loads((FIXTURES / "map_by_symbol.json").read_text())["data"]
    return [{**rows[0], "id": 9, "rank": 0, "name": "Old", "is_active": 0}, *reversed(rows), None, {"id": "x"}]


@respx.mock
async def test_a_symbol_is_resolved_once_kept_and_told_with_the_others(tmp_path: Path) -> None:
    """Active, lowest rank, lowest id; the next time the kept choice is used without a call."""
    route = respx.get(MAP).mock(return_value=good(map_rows()))
    with capture_logs() as logs:
        async with extractor(tmp_path) as first:
            coins = (await first.resolve([("SOL", None), ("BTC", None), ("SOL", None)])).coins
    assert coins == [Coin("SOL", 5426), Coin("BTC", 1)]
    assert route.calls.last.request.url.params["symbol"] == "SOL,BTC"
    told = next(entry for entry in logs if entry["event"] == "coin chosen" and entry["symbol"] == "SOL")
    assert told["coin"] == "Solana (id 5426, rank 6)"
    assert told["others"] == ["Another SOL (illustrative) (id 990144, rank 7311)"]
    assert (told["why"], told["log_level"], "doubt" in told) == ("the best rank", "info", False)
    async with extractor(tmp_path) as second:
        assert await second.resolve([("SOL", None), ("BTC", None)]) == (coins, (), ())
    assert route.call_count == 1


def row(cmc_id: object = 1, rank: object = 1, **more: object) -> dict[str, object]:
    """A row of the map."""
    return {"id": cmc_id, "rank": rank, "name": "Bitcoin", "symbol": "BTC", "is_active": 1, **more}


BATCAT = row(31652, 4312, name="Batcat")


@respx.mock
@pytest.mark.parametrize(
    "bitcoin",
    [
        *(row(rank=form) for form in (1.0, "1", True)),
        *(row(form) for form in (1.0, "1", "1.0", True)),
        *(row(is_active=form) for form in (1.0, "1", True, "true")),
        *(row(name=name) for name in (None, 5, "", "B" * 300, {"en": "Bitcoin"})),
        row(symbol="btc"),
        row(first_historical_data=[], platform="?"),
    ],
    ids=str,
)
async def test_a_coin_of_the_map_counts_however_it_is_written(tmp_path: Path, bitcoin: dict[str, object]) -> None:
    """No form of a number and no spare field takes a coin out of the choice."""
    respx.get(MAP).mock(return_value=good([BATCAT, bitcoin]))
    async with extractor(tmp_path) as asking:
        assert (await asking.resolve([("BTC", None)])).coins == [Coin("BTC", 1)]


@respx.mock
@pytest.mark.parametrize(
    ("bitcoin", "reason"),
    [
        (row(rank="first"), "data[1].rank is not a rank: 'first'"),
        (row(rank=-1), "data[1].rank is not a rank: -1"),
        (row(rank=[]), "data[1].rank is not a rank: a list"),
        (row(is_active="perhaps"), "data[1].is_active is not yes or no: 'perhaps'"),
        (row(is_active=None), "data[1].is_active is not yes or no: null"),
        (row(is_active=2), "data[1].is_active is not yes or no: 2"),
        (row(None), "data[1].id is not an id: null"),
        (row("one"), "data[1].id is not an id: 'one'"),
    ],
    ids=str,
)
async def test_a_row_that_cannot_be_read_leaves_the_symbol_open(
    tmp_path: Path, bitcoin: dict[str, object], reason: str
) -> None:
    """Nothing is decided for good on what is not known: the symbol fails by name, the others are found and kept."""
    solana = row(5426, 6, name="Solana", symbol="SOL")
    respx.get(MAP).mock(return_value=good([BATCAT, bitcoin, solana]))
    async with extractor(tmp_path) as asking:
        found = await asking.resolve([("BTC", None), ("SOL", None)])
    assert (found.coins, found.unknown) == ([Coin("SOL", 5426)], ())
    complaint = found.complaint()
    assert complaint is not None
    assert reason in complaint.message
    assert "beside Batcat (id 31652, rank 4312)" in complaint.message
    assert complaint.message.endswith(f"name the id: SYMBOLS=BTC:{1 if bitcoin['id'] == 1 else 31652}")
    assert CoinChoices(path=tmp_path / "coins.json").load() == {"SOL": 5426}


@respx.mock
@pytest.mark.parametrize("active", [0, 0.0, "0", False, "false"])
async def test_a_coin_that_is_not_active_is_passed_over_however_odd(tmp_path: Path, active: object) -> None:
    """A dead coin's row leaves nothing open, whatever else is in it."""
    respx.get(MAP).mock(return_value=good([row("?", "?", is_active=active), BATCAT]))
    async with extractor(tmp_path) as asking:
        assert await asking.resolve([("BTC", None)]) == ([Coin("BTC", 31652)], (), ())


@respx.mock
@pytest.mark.parametrize(
    ("rows", "chosen", "why", "doubted"),
    [
        ([BATCAT, row(rank=None)], 31652, "the best rank", "Bitcoin (id 1, unranked)"),
        ([row(8, None), row(7, None)], 7, "the lowest id, for none is ranked", "Bitcoin (id 8, unranked)"),
        ([row(1, 1), row(9, None, name="Old"), BATCAT], 1, "the best rank", "Old (id 9, unranked)"),
    ],
)
async def test_an_unranked_rival_is_warned_of(
    tmp_path: Path, rows: list[object], chosen: int, why: str, doubted: str
) -> None:
    """A missing rank says nothing of a coin's size: the one line about the choice says how to choose otherwise."""
    respx.get(MAP).mock(return_value=good(rows))
    with capture_logs() as logs:
        async with extractor(tmp_path) as asking:
            assert (await asking.resolve([("BTC", None)])).coins == [Coin("BTC", chosen)]
    (told,) = logs
    assert (told["event"], told["log_level"], told["why"]) == ("coin chosen", "warning", why)
    assert len(told["others"]) == len(rows) - 1
    assert told["doubt"].startswith(f"{doubted} is active too")
    assert "SYMBOLS=BTC:" in told["doubt"]


async def test_a_given_id_wins_and_is_kept(tmp_path: Path) -> None:
    """The coin of a symbol never changes silently: not by another id, nor by taking the id out. Nobody is asked."""
    CoinChoices(path=tmp_path / "coins.json").save({"SOL": 5426})
    async with extractor(tmp_path) as changing:
        with capture_logs() as logs:
            assert (await changing.resolve([("SOL", 990144), ("BTC", 1)])).coins == [
                Coin("SOL", 990144),
                Coin("BTC", 1),
            ]
            assert (await changing.resolve([("SOL", None), ("BTC", None)])).coins == [
                Coin("SOL", 990144),
                Coin("BTC", 1),
            ]
            assert (await changing.resolve([("BTC", 990101)])).coins == [Coin("BTC", 990101)]
    told = [(entry["event"], entry["symbol"], entry["before"]) for entry in logs]
    assert told == [("coin changed by the settings", "SOL", 5426), ("coin changed by the settings", "BTC", 1)]


async def test_ids_of_the_settings_that_cannot_be_kept_cost_nothing() -> None:
    """They stand in the settings; a warning says that they are not kept."""
    async with extractor(Path("/proc/nobody can make this")) as asking:
        with capture_logs() as logs:
            assert (await asking.resolve([("BTC", 1)])).coins == [Coin("BTC", 1)]
    assert [entry["event"] for entry in logs] == ["the ids of SYMBOLS are not kept"]


def map_by_symbols(request: httpx.Request) -> httpx.Response:
    """The map as it is asked: refuses a list with an unknown symbol, naming it, as CoinMarketCap does."""
    unknown = [symbol for symbol in request.url.params["symbol"].split(",") if symbol in {"NOPE", "NADA"}]
    return refused(400, 400, f'Invalid values for "symbol": "{",".join(unknown)}"') if unknown else good(map_rows())


@respx.mock
@pytest.mark.parametrize(
    ("answer", "coins", "unknown"),
    [
        (map_by_symbols, [Coin("BTC", 1)], ("NOPE", "NADA")),
        (good(map_rows()), [Coin("BTC", 1)], ("NOPE", "NADA")),
        (good([]), [], ("BTC", "NOPE", "NADA")),
        (refused(400, 400, "something else"), [], ("BTC", "NOPE", "NADA")),
        (refused(400, 400, 'Invalid value for "symbol": "OTHER"'), [], ("BTC", "NOPE", "NADA")),
    ],
)
async def test_unknown_symbols_are_named_beside_the_coins_found(
    tmp_path: Path, answer: Any, coins: list[Coin], unknown: tuple[str, ...]
) -> None:
    """Whether the map refuses or leaves them out: a wrong setting, which is not kept and costs the others nothing."""
    respx.get(MAP).mock(side_effect=answer if callable(answer) else [answer])
    async with extractor(tmp_path) as asking:
        found = await asking.resolve([("BTC", None), ("NOPE", None), ("NADA", None)])
    assert (found.coins, found.unknown, found.doubts) == (coins, unknown, ())
    complaint = found.complaint()
    assert complaint is not None
    assert complaint.message.endswith(f"the symbol {', '.join(unknown)}")
    assert CoinChoices(path=tmp_path / "coins.json").load() == dict(coins)


@respx.mock
async def test_other_failures_of_the_map_stay_what_they_are(tmp_path: Path) -> None:
    """A bad key is not blamed on the symbols, and nothing is kept."""
    respx.get(MAP).mock(return_value=refused(401, 1001))
    async with extractor(tmp_path) as asking:
        with pytest.raises(SourceRejected):
            await asking.resolve([("BTC", None)])
    assert files_in(tmp_path) == []


@respx.mock
async def test_a_map_of_another_shape_breaks_the_contract(tmp_path: Path) -> None:
    """A map that is no list is not taken for an empty one."""
    respx.get(MAP).mock(return_value=good({}))
    async with extractor(tmp_path) as asking:
        with pytest.raises(ContractError):
            await asking.resolve([("BTC", None)])
    assert files_in(tmp_path) == []


async def test_one_symbol_with_two_ids_is_a_wrong_setting(tmp_path: Path) -> None:
    """A row is known by its symbol, so it can be one coin only."""
    async with extractor(tmp_path) as asking:
        with pytest.raises(ConfigurationError, match="BTC is given two ids, 1 and 2"):
            await asking.resolve([("BTC", 1), ("BTC", 2)])
    assert files_in(tmp_path) == []


async def test_choices_that_cannot_be_read_stop_before_any_call(tmp_path: Path) -> None:
    """A damaged file is never answered by choosing anew."""
    (tmp_path / "coins.json").write_text("{")
    async with extractor(tmp_path) as asking:
        with pytest.raises(StateError):
            await asking.resolve([("BTC", None)])


@respx.mock
async def test_latest_goes_in_batches_of_250(tmp_path: Path) -> None:
    """600 coins are three calls, and every coin comes back with its own price."""
    route = respx.get(LATEST).mock(side_effect=lambda request: good([latest_coin(i) for i in ids_of(request)]))
    async with extractor(tmp_path) as asking:
        found = await asking.latest(coins_of(600), clock=lambda: NOW)
    assert sorted(len(ids_of(call.request)) for call in route.calls) == [100, 250, 250]
    assert {(quote.symbol, quote.price) for quote in found.quotes} == {(f"C{i}", float(i)) for i in range(1, 601)}
    assert {quote.observed_at for quote in found.quotes} == {NOW}
    assert (found.missing, found.problems, found.failures) == ([], [], [])


@respx.mock
async def test_what_the_answer_leaves_out_is_missing_and_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Requested minus returned, by name; a coin that came damaged is not missing."""
    respx.get(LATEST).mock(return_value=good([latest_coin(1), {**latest_coin(2), "symbol": 5}]))
    async with extractor(tmp_path) as asking:
        found = await asking.latest(coins_of(3), clock=lambda: NOW)
    assert [quote.symbol for quote in found.quotes] == ["C1"]
    assert found.missing == [Coin("C3", 3)]
    assert [problem.symbol for problem in found.problems] == ["C2"]


@respx.mock
async def test_a_failed_batch_does_not_cost_the_others(tmp_path: Path) -> None:
    """What was fetched is given out, with the failure and its coins beside it."""

    def second_fails(request: httpx.Request) -> httpx.Response:
        ids = ids_of(request)
        return refused(500, 500) if 251 in ids else good([latest_coin(i) for i in ids])

    respx.get(LATEST).mock(side_effect=second_fails)
    async with extractor(tmp_path) as asking:
        found = await asking.latest(coins_of(300), clock=lambda: NOW)
    assert len(found.quotes) == 250
    assert found.missing == []
    ((coins, error),) = found.failures
    assert coins == tuple(coins_of(300)[250:])
    assert isinstance(error, SourceUnavailable)


@respx.mock
async def test_if_every_batch_fails_the_error_comes_out(tmp_path: Path) -> None:
    """With nothing fetched there is nothing to give out."""
    respx.get(LATEST).mock(return_value=refused(401, 1001))
    async with extractor(tmp_path) as asking:
        with pytest.raises(SourceRejected, match="not valid"):
            await asking.latest(coins_of(300), clock=lambda: NOW)


def past(request: httpx.Request) -> httpx.Response:
    """An answer of history: every half hour after time_start up to time_end, the price its id."""
    start, end = (datetime.fromisoformat(request.url.params[key][:-1]) for key in ("time_start", "time_end"))
    steps = int((end - start) / timedelta(minutes=30))
    stamps = [f"{(start + timedelta(minutes=30 * step)).isoformat()}.000Z" for step in range(1, steps + 1)]
    return good({str(i): _past_coin(i, stamps) for i in ids_of(request)})


def _past_coin(cmc_id: int, stamps: list[str]) -> dict[str, Any]:
    quotes = [{"timestamp": stamp, "quote": {"USD": {"price": float(cmc_id), "timestamp": stamp}}} for stamp in stamps]
    return {"id": cmc_id, "name": f"Coin {cmc_id}", "symbol": f"C{cmc_id}", "quotes": quotes}


@respx.mock
async def test_history_covers_every_call_and_every_half_hour(tmp_path: Path) -> None:
    """100 coins by 168 hours are four calls; every coin has every half hour of the span once."""
    respx.get(HISTORICAL).mock(side_effect=past)
    coins, start = coins_of(100), NOW - timedelta(hours=168)
    async with extractor(tmp_path) as asking:
        plan = asking.plan_backfill(coins, start=start, end=NOW)
        parts = [part async for part in asking.historical(plan, coins)]
    assert sorted(call for call, _, _ in parts) == sorted(plan.calls)
    quotes = [quote for _, found, _ in parts for quote in found]
    assert {(quote.cmc_id, quote.observed_at) for quote in quotes} == {
        (coin.cmc_id, start + timedelta(minutes=30 * step)) for coin in coins for step in range(336)
    }
    assert len(quotes) == plan.points == 33_600


@respx.mock
async def test_a_plan_beyond_reach_is_refused_by_one_call(tmp_path: Path) -> None:
    """The first call goes alone, so that nothing is spent when it is refused."""
    route = respx.get(HISTORICAL).mock(return_value=refused(400, 400, "Your plan allows 1 months of historical access"))
    async with extractor(tmp_path) as asking:
        plan = asking.plan_backfill(coins_of(100), start=NOW - timedelta(hours=168), end=NOW)
        with pytest.raises(SourceRejected, match="beyond the plan's reach"):
            _ = [part async for part in asking.historical(plan, coins_of(100))]
    assert route.call_count == 1


@respx.mock
async def test_calls_beyond_reach_may_be_passed_over(tmp_path: Path) -> None:
    """Refused ones are handed over and go alone, free of charge; then the others are made."""
    made: list[int] = []

    def first_two_refused(request: httpx.Request) -> httpx.Response:
        made.append(len(made))
        return refused(400, 400, "Your plan allows 1 months of historical access") if len(made) < 3 else past(request)

    respx.get(HISTORICAL).mock(side_effect=first_two_refused)
    coins, refusals = coins_of(100), list[Refusal]()
    async with extractor(tmp_path) as asking:
        plan = asking.plan_backfill(coins, start=NOW - timedelta(hours=168), end=NOW)
        parts = [part async for part in asking.historical(plan, coins, refusals=refusals)]
    assert [refusal.call for refusal in refusals] == list(plan.calls[:2])
    assert sorted(call for call, _, _ in parts) == sorted(plan.calls[2:])


@respx.mock
@pytest.mark.parametrize(("status", "calls"), [(400, 4), (402, 1)])
async def test_when_every_call_is_refused_the_refusal_is_raised(tmp_path: Path, status: int, calls: int) -> None:
    """There is nothing to go on with; and a refusal of the one who asks, not of the call, is never passed over."""
    route = respx.get(HISTORICAL).mock(return_value=refused(status, status))
    async with extractor(tmp_path) as asking:
        plan = asking.plan_backfill(coins_of(100), start=NOW - timedelta(hours=168), end=NOW)
        with pytest.raises(SourceRejected):
            _ = [part async for part in asking.historical(plan, coins_of(100), refusals=[])]
    assert route.call_count == calls


@respx.mock
async def test_what_was_paid_for_is_handed_out_before_a_failure(tmp_path: Path) -> None:
    """The second of many calls fails: those under way still come, none after them is made, then the error is raised."""
    made: list[int] = []

    def second_refused(request: httpx.Request) -> httpx.Response:
        made.append(len(made))
        return refused(402, 1003) if len(made) == 2 else past(request)

    respx.get(HISTORICAL).mock(side_effect=second_refused)
    coins = coins_of(1000)
    parts: list[HistoricalCall] = []

    async def read(asking: CoinMarketCapExtractor) -> None:
        async for call, _quotes, _problems in asking.historical(plan, coins):
            parts.append(call)

    async with extractor(tmp_path) as asking:
        plan = asking.plan_backfill(coins, start=NOW - timedelta(hours=168), end=NOW)
        with pytest.raises(SourceRejected):
            await read(asking)
    assert len(plan.calls) > 10
    assert parts == [plan.calls[0], *plan.calls[2:5]]
    assert len(made) == 5


@respx.mock
async def test_an_answer_does_not_wait_for_that_of_an_earlier_call(tmp_path: Path) -> None:
    """The second of five calls hangs: the answers of the others come all the same, its own once it is there."""
    made: list[int] = []
    let_go = asyncio.Event()

    async def second_hangs(request: httpx.Request) -> httpx.Response:
        made.append(len(made))
        if len(made) == 2:
            await let_go.wait()
        return past(request)

    respx.get(HISTORICAL).mock(side_effect=second_hangs)
    coins = coins_of(125)
    async with extractor(tmp_path) as asking:
        plan = asking.plan_backfill(coins, start=NOW - timedelta(hours=168), end=NOW)
        answers = asking.historical(plan, coins)
        parts = [(await answers.__anext__())[0] for _ in plan.calls[1:]]
        assert sorted(parts) == sorted([plan.calls[0], *plan.calls[2:]])
        let_go.set()
        assert [call async for call, _, _ in answers] == [plan.calls[1]]


@respx.mock
async def test_a_reader_who_leaves_early_leaves_no_call_behind(tmp_path: Path) -> None:
    """Closing the iterator ends the calls under way."""
    respx.get(HISTORICAL).mock(side_effect=past)
    coins = coins_of(200)
    async with extractor(tmp_path) as asking:
        plan = asking.plan_backfill(coins, start=NOW - timedelta(hours=168), end=NOW)
        parts = asking.historical(plan, coins)
        assert (await parts.__anext__())[0] == plan.calls[0]
        await parts.aclose()

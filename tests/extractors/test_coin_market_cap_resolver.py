"""From symbols to coins: what is chosen, kept, refused and logged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from adapters._bases.errors import ConfigurationError, StateError
from adapters.files.choices import coin_choices
from extractors.coin_market_cap_parser import Coin
from extractors.coin_market_cap_resolver import resolve_coins
from tests.support.http_sources import CMC, coin_market_cap, good, refused

FIXTURES = Path(__file__).parents[1] / "fixtures" / "coinmarketcap"
MAP = f"{CMC}/v1/cryptocurrency/map"
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=timezone.utc)
BTC, ETH, SOL = Coin("BTC", 1), Coin("ETH", 1027), Coin("SOL", 5426)

pytestmark = pytest.mark.respx(assert_all_called=False)


Found = tuple[list[Coin], ConfigurationError | None]


async def resolve(folder: Path, *entries: str, stored: Mapping[str, int] | None = MappingProxyType({})) -> Found:
    """The coins of entries such as ``BTC`` and ``BTC:1``; ``stored`` is None if the database cannot be read."""
    parts = [entry.partition(":") for entry in entries]
    async with coin_market_cap(NOW) as source:
        return await resolve_coins(
            source,
            coin_choices(folder),
            [(symbol, int(cmc_id) if cmc_id else None) for symbol, _, cmc_id in parts],
            stored=lambda _symbols: stored,
        )


def complains(found: Found, coins: list[Coin], *words: str) -> None:
    assert found[0] == coins
    assert found[1] is not None
    assert [one for one in words if one not in found[1].message] == []


def row(cmc_id: object = 1, rank: object = 1, **more: object) -> dict[str, object]:
    return {"id": cmc_id, "rank": rank, "name": "Bitcoin", "symbol": "BTC", "is_active": 1, **more}


BATCAT = row(31652, 4312, name="Batcat")


def map_rows() -> Any:
    """The stored map, with another and better ranked BTC that is inactive, and rows that are not coins."""
    rows = json.loads((FIXTURES / "map_by_symbol.json").read_text())["data"]
    return [{**rows[0], "id": 9, "rank": 0, "name": "Old", "is_active": 0}, *reversed(rows), None, {"id": "x"}]


async def test_choice_is_looked_up_once_kept_and_logged(tmp_path: Path, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(MAP).mock(return_value=good(map_rows()))
    with capture_logs() as logs:
        assert await resolve(tmp_path, "SOL", "BTC") == ([SOL, BTC], None)
    assert route.calls.last.request.url.params["symbol"] == "SOL,BTC"
    line = next(entry for entry in logs if entry["event"] == "coin chosen" and entry["symbol"] == "SOL")
    assert (line["coin"], line["log_level"]) == ("Solana (id 5426, rank 6)", "info")
    assert line["others"] == ["Another SOL (illustrative) (id 990144, rank 7311)"]
    assert (await resolve(tmp_path, "SOL", "BTC"))[0] == [SOL, BTC]
    assert route.call_count == 1


@pytest.mark.parametrize(
    ("bitcoin", "field"),
    [
        *((row(rank=rank), "rank") for rank in ("first", -1, 0, 2**31)),
        *((row(is_active=active), "is_active") for active in ("perhaps", None, 2)),
        *((row(cmc_id), "id") for cmc_id in (None, "one", 0, 2**32)),
    ],
    ids=str,
)
async def test_unreadable_row_leaves_its_symbol_without_a_coin(
    tmp_path: Path, respx_mock: respx.MockRouter, bitcoin: dict[str, object], field: str
) -> None:
    solana = row(5426, 6, name="Solana", symbol="SOL")
    respx_mock.get(MAP).mock(return_value=good([BATCAT, bitcoin, solana]))
    found = await resolve(tmp_path, "BTC", "SOL")
    complains(found, [SOL], "SYMBOLS: BTC is ambiguous", f"data[1]: {field} is ", "SYMBOLS=BTC:")
    assert coin_choices(tmp_path).load() == {"SOL": 5426}


@pytest.mark.parametrize(
    ("rows", "chosen", "others"),
    [
        ([row(8, None), row(7, None)], 7, ["Bitcoin (id 8, unranked)"]),
        ([row(1, 1), row(9, None, name="Old"), BATCAT], 1, ["Batcat (id 31652, rank 4312)", "Old (id 9, unranked)"]),
    ],
)
async def test_unranked_rival_is_a_warning(
    tmp_path: Path, respx_mock: respx.MockRouter, rows: list[object], chosen: int, others: list[str]
) -> None:
    respx_mock.get(MAP).mock(return_value=good(rows))
    with capture_logs() as logs:
        assert (await resolve(tmp_path, "BTC"))[0] == [Coin("BTC", chosen)]
    (line,) = logs
    assert (line["log_level"], line["others"]) == ("warning", others)


@pytest.mark.parametrize("rivals", [[row(rank=None)], [row(825, None, name="Old"), row(99999, None), row(rank=None)]])
async def test_unranked_rival_with_a_lower_id_is_ambiguous(
    tmp_path: Path, respx_mock: respx.MockRouter, rivals: list[object]
) -> None:
    """Such as Bitcoin when its rank is missing for a while; the other symbols have their coins."""
    respx_mock.get(MAP).mock(return_value=good([BATCAT, *rivals, row(5426, 6, name="Solana", symbol="SOL")]))
    found = await resolve(tmp_path, "BTC", "SOL")
    complains(
        found,
        [SOL],
        "SYMBOLS: BTC is ambiguous: Batcat (id 31652, rank 4312)",
        "Bitcoin (id 1, unranked)",
        "SYMBOLS=BTC:1",
    )
    assert coin_choices(tmp_path).load() == {"SOL": 5426}


async def test_given_id_is_used_kept_and_its_change_logged(tmp_path: Path) -> None:
    coin_choices(tmp_path).save({"SOL": 5426})
    with capture_logs() as logs:
        assert (await resolve(tmp_path, "SOL:990144", "BTC:1"))[0] == [Coin("SOL", 990144), BTC]
        assert (await resolve(tmp_path, "SOL", "BTC"))[0] == [Coin("SOL", 990144), BTC]
    assert [(entry["log_level"], entry["symbol"], entry["before"]) for entry in logs] == [("warning", "SOL", 5426)]


async def test_given_ids_that_cannot_be_kept_are_used(respx_mock: respx.MockRouter) -> None:
    """They stand in the settings; a choice that was looked up must be kept."""
    folder = Path("/proc/not a folder")
    with capture_logs() as logs:
        assert (await resolve(folder, "BTC:1"))[0] == [BTC]
    assert [entry["log_level"] for entry in logs] == ["warning"]
    respx_mock.get(MAP).mock(return_value=good(map_rows()))
    with pytest.raises(StateError):
        await resolve(folder, "SOL")


def map_that_refuses(request: httpx.Request, text: str = "") -> httpx.Response:
    """Refuses a list with an unknown symbol, naming it, as CoinMarketCap mostly does."""
    unknown = ",".join({"NOPE", "NADA"}.intersection(request.url.params["symbol"].split(",")))
    return refused(400, 400, text or f'Invalid values for "symbol": "{unknown}"') if unknown else good(map_rows())


@pytest.mark.parametrize(
    ("answer", "coins"),
    [
        (map_that_refuses, [BTC]),
        (good(map_rows()), [BTC]),
        (good([]), []),
        (partial(map_that_refuses, text="something else"), [BTC]),
        (partial(map_that_refuses, text='Invalid value for "symbol": "OTHER"'), [BTC]),
    ],
)
async def test_unknown_symbols_are_named_beside_the_coins_found(
    tmp_path: Path, respx_mock: respx.MockRouter, answer: Any, coins: list[Coin]
) -> None:
    respx_mock.get(MAP).mock(side_effect=answer if callable(answer) else [answer])
    unknown = [symbol for symbol in ("BTC", "NOPE", "NADA") if symbol not in dict(coins)]
    found = await resolve(tmp_path, "BTC", "NOPE", "NADA")
    complains(found, coins, f"SYMBOLS: CoinMarketCap has no active coin with the symbol {', '.join(unknown)}")
    assert coin_choices(tmp_path).load() == dict(coins)


async def test_long_list_of_symbols_is_split(tmp_path: Path, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(MAP).mock(return_value=good([]))
    await resolve(tmp_path, *(f"SYMBOL{number:05}" for number in range(1_000)))
    lists = [call.request.url.params["symbol"].split(",") for call in route.calls]
    assert [len(one) for one in lists] == [250] * 4


@pytest.mark.parametrize(
    ("kept", "stored"),
    [({"BTC": 1, "ETH": 1027}, {"BTC": 1}), ({"ETH": 1027}, {"BTC": 1}), ({"BTC": 1, "ETH": 1027}, None)],
    ids=["kept and stored", "only stored", "kept, and the database cannot be read"],
)
async def test_other_id_than_the_stored_one_is_refused(
    tmp_path: Path, kept: dict[str, int], stored: dict[str, int] | None
) -> None:
    coin_choices(tmp_path).save(kept)
    found = await resolve(tmp_path, "BTC:990101", "ETH", stored=stored)
    complains(found, [ETH], "SYMBOLS=BTC:1 ", "./run.sh coins --accept BTC:990101", "./run.sh coins --reset BTC")
    assert coin_choices(tmp_path).load() == kept


@pytest.mark.parametrize(("kept", "stored"), [(1, 990101), (1, None), (990101, 0), (990101, 1), (0, 1), (0, None)])
async def test_id_is_used_where_nothing_contradicts_it(tmp_path: Path, kept: int, stored: int | None) -> None:
    """0: none is kept or stored; None: the database cannot be read."""
    coin_choices(tmp_path).save({"BTC": kept} if kept else {})
    before = None if stored is None else {"BTC": stored} if stored else {}
    assert await resolve(tmp_path, "BTC:1", stored=before) == ([BTC], None)
    assert coin_choices(tmp_path).load() == {"BTC": 1}

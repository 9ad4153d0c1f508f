"""An id in the settings that is not the stored coin's: refused by name until a person confirms it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest
import respx

from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from extractors.coin_market_cap_quote import Coin
from extractors.coin_market_cap_resolver import CoinMarketCapResolver

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=timezone.utc)
BTC, ETH = Coin("BTC", 1), Coin("ETH", 1027)


@asynccontextmanager
async def resolver(
    folder: Path, *, kept: Mapping[str, int], stored: Mapping[str, int] | None
) -> AsyncIterator[CoinMarketCapResolver]:
    """A resolver that keeps and has stored these ids; a source that is asked is an error."""
    choices = CoinChoices(path=folder / "coins.json")
    choices.save(kept)
    retry = RetryPolicy(attempts=1)
    with respx.mock:
        async with HttpAdapter(
            base_url="https://cmc.test", headers={}, timeout_seconds=5, retry=retry, clock=lambda: NOW
        ) as http:
            source = CoinMarketCapHttpAdapter(http=http, clock=lambda: NOW, keyless=False)
            yield CoinMarketCapResolver(source=source, choices=choices, stored=lambda _symbols: stored)


@pytest.mark.parametrize(
    ("kept", "stored"),
    [
        ({"BTC": 1, "ETH": 1027}, {"BTC": 1, "ETH": 1027}),
        ({"ETH": 1027}, {"BTC": 1}),
        ({"BTC": 1, "ETH": 1027}, None),
        ({"BTC": 7, "ETH": 1027}, {"BTC": 1}),
    ],
    ids=["kept and stored", "stored alone", "kept, and the database cannot tell", "kept otherwise"],
)
async def test_another_id_than_the_stored_one_is_refused(
    tmp_path: Path, kept: dict[str, int], stored: dict[str, int] | None
) -> None:
    """The symbol has no coin, the others have theirs; the next steps are named, and nothing is kept of the change."""
    async with resolver(tmp_path, kept=kept, stored=stored) as resolving:
        found = await resolving.resolve([("BTC", 990101), ("ETH", None)])
    assert found.coins == [ETH]
    complaint = found.complaint()
    assert complaint is not None
    for words in (
        "BTC is stored under id 1, and SYMBOLS names id 990101",
        "SYMBOLS=BTC:1 keeps the coin",
        "./run.sh coins --accept BTC:990101",
        "./run.sh coins --reset BTC",
    ):
        assert words in complaint.message
    assert CoinChoices(path=tmp_path / "coins.json").load() == kept


@pytest.mark.parametrize(
    ("kept", "stored"),
    [
        ({"BTC": 1}, None),
        ({"BTC": 1}, {"BTC": 990101}),
        ({"BTC": 990101}, {}),
        ({"BTC": 990101}, {"BTC": 1}),
        ({}, {}),
        ({}, {"BTC": 1}),
        ({}, None),
    ],
    ids=[
        "kept, whatever the database says",
        "confirmed, though another is stored",
        "another is kept, and nothing stored",
        "another is kept, and this one stored",
        "new",
        "new, and stored under this id",
        "new, and the database cannot tell",
    ],
)
async def test_an_id_that_nothing_speaks_against_is_taken(
    tmp_path: Path, kept: dict[str, int], stored: dict[str, int] | None
) -> None:
    """Where nothing is stored under another id it is used at once, and kept."""
    async with resolver(tmp_path, kept=kept, stored=stored) as resolving:
        found = await resolving.resolve([("BTC", 1)])
    assert found == ([BTC], (), ())
    assert CoinChoices(path=tmp_path / "coins.json").load() == {"BTC": 1}

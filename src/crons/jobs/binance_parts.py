"""The Binance pipeline's parts: its source, the pairs behind symbols, and the check of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters._bases.errors import SourceRejected
from adapters.clickhouse.binance_clickhouse_adapter import BINANCE_PRICES, BinanceClickHouseAdapter
from adapters.files.choices import Choices, KnownPair, pair_choices
from adapters.http.binance_http_adapter import BinanceHttpAdapter
from configurations.config import Settings
from crons.job import Finding, RunContext
from crons.resources import Resources
from extractors.binance_extractor import pair_trouble, resolve_pairs

CORRECT = "correct BINANCE_PAIRS"


def choices_of(settings: Settings) -> Choices[KnownPair]:
    """Where the pair behind each symbol is kept."""
    return pair_choices(settings.data_path)


def prices_in(parts: Resources) -> BinanceClickHouseAdapter:
    """The table of prices."""
    return parts.repository(BinanceClickHouseAdapter, BINANCE_PRICES)


@asynccontextmanager
async def open_source(parts: Resources, settings: Settings) -> AsyncIterator[BinanceHttpAdapter]:
    """Binance's API, which needs no key."""
    async with parts.http(settings.binance_base_url) as http:
        yield BinanceHttpAdapter(http=http, clock=parts.clock)


async def known_pairs(run: RunContext, source: BinanceHttpAdapter) -> dict[str, KnownPair]:
    """Symbol to its pair, of those that can be asked for; the others are named in the report, and cost these nothing.

    Raises:
        SourceUnavailable: Binance does not answer.
        SourceRejected: none of them can be asked for.
    """
    run.step("asking Binance which pairs are traded")
    found = await resolve_pairs(source, choices_of(run.parts.settings), run.settings.pairs)
    run.report.warnings.extend(found.notes)
    if not found.known:
        raise SourceRejected("; ".join(found.complaints) or "no symbol has a pair at Binance", next_step=CORRECT)
    run.report.warnings.extend(f"{complaint}; {CORRECT}" for complaint in found.complaints)
    return found.known


async def check_source(parts: Resources, settings: Settings) -> Finding:
    """Whether Binance answers here, and whether each pair is traded."""
    async with open_source(parts, settings) as source:
        told = {pair: await pair_trouble(source, pair) for pair in settings.pairs.values()}
    traded = [pair for pair, wrong in told.items() if not wrong]
    found = "; ".join([f"answers; traded: {', '.join(traded)}"] * bool(traded) + list(filter(None, told.values())))
    if len(traded) == len(told):
        return Finding("Binance", "ok", found)
    return Finding("Binance", "warn" if traded else "fail", found, CORRECT)

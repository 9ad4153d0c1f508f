"""The CoinMarketCap pipeline's parts, made once a run, and the words for what was not stored or not read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from adapters._bases.tehran_time import hour_key, tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import CRYPTO_PRICES, PriceRow
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, CoinMarketCapHttpAdapter, KeyInfo
from configurations.config import Settings
from crons.job import Finding, Needed, RunContext, RunReport
from crons.parts import Parts
from extractors.coin_market_cap_extractor import CoinMarketCapExtractor
from extractors.coin_market_cap_parser import Problem
from extractors.coin_market_cap_quote import Coin, Quote
from transformers.coin_market_cap_transformer import CoinMarketCapTransformer, Reject

KEY = Needed(
    "CMC_API_KEY",
    "a key of CoinMarketCap",
    "set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/",
)

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_source(parts: Parts, settings: Settings) -> AsyncIterator[CoinMarketCapHttpAdapter]:
    """CoinMarketCap's API: with the key, or keyless where there is none."""
    key = settings.cmc_api_key.get_secret_value() if settings.cmc_api_key else ""
    if not key:
        log.info("no CMC_API_KEY: the keyless public API is asked, which limits its callers by their address")
    async with parts.http(settings.cmc_base_url, {KEY_HEADER: key} if key else {}) as http:
        yield CoinMarketCapHttpAdapter(http=http, clock=parts.clock, keyless=not key)


async def check_source(parts: Parts, settings: Settings) -> Finding:
    """Whether CoinMarketCap answers and the key is valid, with its plan and the credits left; free of charge."""
    async with open_source(parts, settings) as source:
        if settings.cmc_api_key is None:
            await source.coin_map(["BTC"])
            return Finding(
                "CoinMarketCap",
                "warn",
                "no CMC_API_KEY: the keyless public API answers, and serves the hourly run",
                "set CMC_API_KEY in .env for backfills and a rate limit of your own",
            )
        info = await source.key_info()
    found = f"key valid: {', '.join(_plan(info))}"
    if info.credits_left == 0:
        return Finding("CoinMarketCap", "fail", found, "wait for the reset, or use a higher plan")
    return Finding("CoinMarketCap", "ok", found)


def _plan(info: KeyInfo) -> Iterator[str]:
    """What is known of a key's plan, in words."""
    left, limit = info.credits_left, info.credit_limit_monthly
    if left is None:
        yield "CoinMarketCap does not say how many credits are left"
    else:
        yield f"{left} {f'of {limit} ' if limit is not None and limit >= left else ''}credits left"
    if info.requests_per_minute is not None:
        yield f"{info.requests_per_minute} calls a minute"
    if info.reset:
        yield f"credits reset: {info.reset}"


class Pipeline:
    """The parts of one run.

    Args:
        run: the run.
        source: CoinMarketCap's endpoints; the credits that they charge are counted by `opened`.

    Attributes:
        run: as given.
        source: as given.
        extract: asks the source for what the run needs.
        prices: the table of prices.
    """

    def __init__(self, run: RunContext[Settings], source: CoinMarketCapHttpAdapter) -> None:
        settings, parts = run.settings, run.parts
        log.info("source", reads=settings.cmc_base_url, symbols=len(settings.symbols))
        self.run = run
        self.source = source
        self.extract = CoinMarketCapExtractor(
            source=source, choices=CoinChoices(path=settings.data_path / "coin_choices.json")
        )
        self.prices = parts.repository(CoinMarketCapClickHouseAdapter, CRYPTO_PRICES)

    def transformer(self) -> CoinMarketCapTransformer:
        """Decides what may be stored, by the time it is now: made when the answer is there."""
        run = self.run
        return CoinMarketCapTransformer(
            now=run.clock(), run_id=run.run_id, stale_after=timedelta(hours=run.settings.stale_after_hours)
        )

    async def ask_first(self) -> tuple[int | None, list[Coin]]:
        """What is free of charge: the credits left, None when the source does not say, and the coins meant.

        Raises:
            ConfigurationError: one of the symbols has no active coin; past hours can wait until that is corrected.
        """
        self.run.step("asking CoinMarketCap for the key's plan")
        info = await self.source.key_info()
        found = await self.extract.resolve(self.run.settings.symbols)
        if (complaint := found.complaint()) is not None:
            raise complaint
        return info.credits_left, found.coins


@asynccontextmanager
async def opened(run: RunContext[Settings], source: CoinMarketCapHttpAdapter) -> AsyncIterator[Pipeline]:
    """The pipeline of a run; the credits that it costs are counted in the report, also when the run fails."""
    try:
        yield Pipeline(run, source)
    finally:
        run.report.credits = source.credits_used


def note_rejects(report: RunReport, rejects: Sequence[Reject], problems: Sequence[Problem]) -> None:
    """Tell in the run's report what of an answer is not stored: a line for each coin and reason, with its hours."""
    hours: dict[tuple[str, int, str], list[str]] = {}
    for reject in rejects:
        hours.setdefault((reject.symbol, reject.cmc_id, reject.reason), []).append(reject.hour)
    report.rejected += len(rejects) + len(problems)
    report.rejects.extend(f"{problem.symbol} (id {problem.cmc_id}): {problem.reason}" for problem in problems)
    report.rejects.extend(f"{who} (id {cmc_id}) {_span(of)}: {why}" for (who, cmc_id, why), of in hours.items())


def note_flaws(report: RunReport, quotes: Iterable[Quote], rows: Iterable[PriceRow]) -> None:
    """Tell in the run's report what of stored quotes could not be read: a line for each coin and field, with its hours.

    Args:
        report: of the run.
        quotes: of an answer.
        rows: those that came of them and are stored.
    """
    flawed = [quote for quote in quotes if quote.flaws]
    stored = {(row.symbol, row.fetched_at) for row in rows} if flawed else set()
    found: dict[tuple[str, int, str], list[tuple[str, str]]] = {}
    for quote in flawed:
        if (quote.symbol, tehran_text(quote.observed_at)) in stored:
            for flaw in quote.flaws:
                key = (quote.symbol, quote.cmc_id, flaw.field)
                found.setdefault(key, []).append((hour_key(quote.observed_at), flaw.reason))
    for (symbol, cmc_id, _), flaws in found.items():
        span = _span([hour for hour, _ in flaws])
        report.warnings.append(f"{symbol} (id {cmc_id}) {span}: stored, but {flaws[0][1]}")


def _span(hours: Sequence[str]) -> str:
    return hours[0] if len(hours) == 1 else f"{min(hours)} to {max(hours)}, {len(hours)} quotes"

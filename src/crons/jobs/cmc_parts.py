"""The CoinMarketCap pipeline's parts, built from Settings, and the words for what was not stored or not read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters._bases.tehran_time import hour_key, tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_table import PriceRow
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, CoinMarketCapHttpAdapter
from configurations.config import Settings
from crons.job import Finding, RunContext, RunReport
from crons.parts import clickhouse, retry_policy, spool
from extractors.coin_market_cap_extractor import CoinMarketCapExtractor
from extractors.coin_market_cap_parser import Problem
from extractors.coin_market_cap_quote import Quote
from loaders.coin_market_cap_loader import CoinMarketCapLoader
from transformers.coin_market_cap_transformer import CoinMarketCapTransformer, Reject

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_source(settings: Settings, clock: Callable[[], datetime]) -> AsyncIterator[CoinMarketCapHttpAdapter]:
    """CoinMarketCap's API: with the key, or keyless where there is none."""
    key = settings.cmc_api_key.get_secret_value() if settings.cmc_api_key else ""
    if not key:
        log.info("no CMC_API_KEY: the keyless public API is asked, which limits its callers by their address")
    http = HttpAdapter(
        base_url=settings.cmc_base_url,
        headers={KEY_HEADER: key} if key else {},
        timeout_seconds=settings.http_timeout_seconds,
        retry=retry_policy(settings),
        clock=clock,
    )
    async with http:
        yield CoinMarketCapHttpAdapter(http=http, clock=clock, keyless=not key)


async def check_source(settings: Settings, clock: Callable[[], datetime]) -> Finding:
    """Whether CoinMarketCap answers and the key is valid, with its plan and the credits left; free of charge."""
    if settings.cmc_api_key is None:
        async with open_source(settings, clock) as source:
            await source.coin_map(["BTC"])
        return Finding(
            "CoinMarketCap",
            "warn",
            "no CMC_API_KEY: the keyless public API answers, and serves the hourly run",
            "set CMC_API_KEY in .env for backfills and a rate limit of your own",
        )
    async with open_source(settings, clock) as source:
        info = await source.key_info()
    told = (
        f"{info.credits_left} of {info.credit_limit_monthly} credits left, "
        f"{info.requests_per_minute} calls a minute, credits reset: {info.reset}"
    )
    if info.credits_left == 0:
        return Finding("CoinMarketCap", "fail", f"key valid: {told}", "wait for the reset, or use a higher plan")
    return Finding("CoinMarketCap", "ok", f"key valid: {told}")


@contextmanager
def open_table(
    settings: Settings, *, task: str, clock: Callable[[], datetime], wait_seconds: float, writes: bool = False
) -> Iterator[CoinMarketCapClickHouseAdapter]:
    """The table of prices, on a connection of its own; see `crons.job.JobModule.open_table`."""
    with clickhouse(settings, task=task, clock=clock, wait_seconds=wait_seconds, writes=writes) as database:
        yield repository(settings, database, clock)


def loader(context: RunContext) -> CoinMarketCapLoader:
    """The way into the table, by the spool, on the run's connection."""
    return CoinMarketCapLoader(repository=table(context), spool=spool(context.settings, context.job))


def table(context: RunContext) -> CoinMarketCapClickHouseAdapter:
    """The table of prices, on the run's connection."""
    return repository(context.settings, context.database, context.clock)


def extractor(context: RunContext, source: CoinMarketCapHttpAdapter) -> CoinMarketCapExtractor:
    """Asks the source for what the run needs."""
    choices = CoinChoices(path=context.settings.data_path / "coin_choices.json")
    return CoinMarketCapExtractor(source=source, choices=choices)


def transformer(context: RunContext) -> CoinMarketCapTransformer:
    """Decides what the run may store, by the time it is now."""
    stale_after = timedelta(hours=context.settings.stale_after_hours)
    return CoinMarketCapTransformer(now=context.clock(), run_id=context.run_id, stale_after=stale_after)


def repository(
    settings: Settings,
    database: ClickHouseAdapter,
    clock: Callable[[], datetime],
    retry: RetryPolicy | None = None,
) -> CoinMarketCapClickHouseAdapter:
    """The table of prices, on a connection; None means the one policy of retries."""
    return CoinMarketCapClickHouseAdapter(
        clickhouse=database,
        database=settings.clickhouse_db,
        retry=retry_policy(settings) if retry is None else retry,
        clock=clock,
    )


@asynccontextmanager
async def counted_source(context: RunContext) -> AsyncIterator[CoinMarketCapHttpAdapter]:
    """CoinMarketCap's API, its calls and credits counted in the run's report, also when the run fails."""
    log.info("source", reads=context.settings.cmc_base_url, symbols=len(context.settings.symbols))
    async with open_source(context.settings, context.clock) as source:
        try:
            yield source
        finally:
            context.report.calls, context.report.credits = source.calls_made, source.credits_used


def note_rejects(report: RunReport, rejects: Sequence[Reject], problems: Sequence[Problem]) -> None:
    """Tell in the run's report what of an answer is not stored: a line for each coin and reason, with its hours."""
    hours: dict[tuple[str, int, str], list[str]] = {}
    for reject in rejects:
        hours.setdefault((reject.symbol, reject.cmc_id, reject.reason), []).append(reject.hour)
    report.rejected_quotes += len(rejects) + len(problems)
    report.rejected.extend(f"{problem.symbol} (id {problem.cmc_id}): {problem.reason}" for problem in problems)
    report.rejected.extend(f"{who} (id {cmc_id}) {_span(of)}: {why}" for (who, cmc_id, why), of in hours.items())


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

"""The CoinMarketCap pipeline's parts, built from Settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

import structlog

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.http_adapter import HttpAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.clickhouse.coin_market_cap_holes_adapter import CoinMarketCapHolesAdapter
from adapters.clickhouse.coin_market_cap_hours_adapter import CoinMarketCapHoursAdapter
from adapters.files.coin_choices import CoinChoices
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, CoinMarketCapHttpAdapter
from configurations.config import Settings
from crons.context import RunContext
from crons.doors.shared import clickhouse, retry_policy, spool
from crons.findings import Finding
from extractors.coin_market_cap_extractor import CoinMarketCapExtractor
from loaders.coin_market_cap_loader import CoinMarketCapLoader
from transformers.coin_market_cap_transformer import CoinMarketCapTransformer

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
    """The table of prices, on a connection of its own; see `crons.context.JobModule.open_table`."""
    with clickhouse(settings, task=task, clock=clock, wait_seconds=wait_seconds, writes=writes) as database:
        yield _table(settings, database, clock)


def loader(context: RunContext) -> CoinMarketCapLoader:
    """The way into the table, by the spool, on the run's connection."""
    repository = _table(context.settings, context.database, context.clock)
    return CoinMarketCapLoader(repository=repository, spool=spool(context.settings, context.job))


def holes(context: RunContext) -> CoinMarketCapHolesAdapter:
    """The hours without a quote, on the run's connection."""
    settings = context.settings
    return CoinMarketCapHolesAdapter(
        clickhouse=context.database, database=settings.clickhouse_db, retry=retry_policy(settings)
    )


def stored_hours(context: RunContext) -> CoinMarketCapHoursAdapter:
    """The stored hours, on the run's connection."""
    settings = context.settings
    return CoinMarketCapHoursAdapter(
        clickhouse=context.database, database=settings.clickhouse_db, retry=retry_policy(settings)
    )


def extractor(context: RunContext, source: CoinMarketCapHttpAdapter) -> CoinMarketCapExtractor:
    """Asks the source for what the run needs."""
    choices = CoinChoices(path=context.settings.data_path / "coin_choices.json")
    return CoinMarketCapExtractor(source=source, choices=choices)


def transformer(context: RunContext) -> CoinMarketCapTransformer:
    """Decides what the run may store, by the time it is now."""
    stale_after = timedelta(hours=context.settings.stale_after_hours)
    return CoinMarketCapTransformer(now=context.clock(), run_id=context.run_id, stale_after=stale_after)


def _table(
    settings: Settings, database: ClickHouseAdapter, clock: Callable[[], datetime]
) -> CoinMarketCapClickHouseAdapter:
    return CoinMarketCapClickHouseAdapter(
        clickhouse=database, database=settings.clickhouse_db, retry=retry_policy(settings), clock=clock
    )

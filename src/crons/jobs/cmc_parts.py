"""The CoinMarketCap pipeline's parts, made once a run, and the words for what was not stored or not read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone

import structlog

from adapters._bases.errors import EtlError, SourceRejected
from adapters._bases.tehran_time import HOUR, hour_key, hour_start, tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import (
    CRYPTO_PRICES,
    CoinMarketCapClickHouseAdapter,
    PriceRow,
    latest_of_each,
)
from adapters.files.choices import Choices, coin_choices
from adapters.http.coin_market_cap_errors import reach_of
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, CoinMarketCapHttpAdapter, KeyInfo
from configurations.config import Settings
from crons.job import Finding, Needed, RunContext, RunReport
from crons.reason_groups import ReasonGroups
from crons.resources import PATIENCE, Resources
from extractors.coin_market_cap_parser import Coin, Problem, Quote
from extractors.coin_market_cap_plan import STEP
from extractors.coin_market_cap_resolver import Resolution, resolve_coins
from transformers.coin_market_cap_transformer import CoinMarketCapTransformer, Reject

KEY = Needed(
    "CMC_API_KEY",
    "needs a key of CoinMarketCap, and none is set",
    "set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/",
)

SHORTEST_REACH = timedelta(days=28)
"""The month that the smallest plan reaches back, at its shortest."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_source(parts: Resources, settings: Settings) -> AsyncIterator[CoinMarketCapHttpAdapter]:
    """CoinMarketCap's API: with the key, or keyless where there is none."""
    key = settings.cmc_api_key.value if settings.cmc_api_key else ""
    if not key:
        log.info("no CMC_API_KEY: the keyless public API is asked, which limits its callers by their address")
    async with parts.http(settings.cmc_base_url, {KEY_HEADER: key} if key else {}) as http:
        yield CoinMarketCapHttpAdapter(http=http, clock=parts.clock, keyless=not key)


async def check_source(parts: Resources, settings: Settings) -> Finding:
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


def choices_of(settings: Settings) -> Choices[int]:
    """Where the coin behind each symbol is kept."""
    return coin_choices(settings.data_path)


class Pipeline:
    """The parts of one run.

    Args:
        run: the run.
        source: CoinMarketCap's endpoints; the credits that they charge are counted by `opened`.

    Attributes:
        run: as given.
        source: as given.
        prices: the table of prices.
    """

    def __init__(self, run: RunContext, source: CoinMarketCapHttpAdapter) -> None:
        settings, parts = run.settings, run.parts
        log.info("source", reads=settings.cmc_base_url, symbols=len(settings.symbols))
        self.run = run
        self.source = source
        self.prices = parts.repository(CoinMarketCapClickHouseAdapter, CRYPTO_PRICES)

    async def resolve(self) -> Resolution:
        """The coins of the settings."""
        settings = self.run.settings
        return await resolve_coins(self.source, choices_of(settings), settings.symbols, stored=self._stored_ids)

    def _stored_ids(self, symbols: Sequence[str]) -> dict[str, int] | None:
        """The id of each symbol's latest stored price; None where the database cannot tell now. Waits for seconds."""
        try:
            stored = self.prices.coins(symbols, retry=PATIENCE)
        except EtlError as error:
            log.warning("the database cannot tell which coins it holds", reason=error.message)
            return None
        return {symbol: coin.cmc_id for symbol, coin in latest_of_each(stored).items()}

    def transformer(self) -> CoinMarketCapTransformer:
        """Decides what may be stored, by the time it is now: made when the answer is there."""
        run = self.run
        return CoinMarketCapTransformer(
            now=run.clock(), run_id=run.run_id, stale_after=timedelta(hours=run.settings.stale_after_hours)
        )

    async def refusal_beyond_reach(self, start: datetime) -> SourceRejected | None:
        """The refusal that an hour would meet, where the key's plan does not reach it; free of charge.

        Args:
            start: of the hour, aware; within a plan's shortest documented reach CoinMarketCap is not asked.
        """
        if self.run.now - start < SHORTEST_REACH:
            return None
        return await self.source.refusal_beyond_reach(start - STEP)

    async def ask_first(self) -> tuple[int | None, list[Coin]]:
        """What is free of charge: the credits left, None when the source does not say, and the coins meant.

        Raises:
            ConfigurationError: one of the symbols has no active coin; past hours can wait until that is corrected.
        """
        self.run.step("asking CoinMarketCap for the key's plan")
        info = await self.source.key_info()
        found = await self.resolve()
        if (complaint := found.complaint()) is not None:
            raise complaint
        return info.credits_left, found.coins


@asynccontextmanager
async def opened(run: RunContext, source: CoinMarketCapHttpAdapter) -> AsyncIterator[Pipeline]:
    """The pipeline of a run; the credits that it costs are counted in the report, also when the run fails."""
    try:
        yield Pipeline(run, source)
    finally:
        run.report.credits = source.credits_used


def within_reach(
    error: SourceRejected, starts: Sequence[datetime], command: str, *, now: datetime, ranged: bool = False
) -> SourceRejected:
    """A refusal of past hours with how many of them the plan reaches, and the command that fetches these.

    An hour that goes out of reach before the present hour is over does not count: the command is given a bit later.

    Args:
        error: returned as it is where it does not name the plan's reach.
        starts: of the hours asked for, aware.
        command: of run.sh, without its number of hours.
        now: aware.
        ranged: the hours were asked for by --from; the command names them so.
    """
    if (limit := reach_of(error)) is None:
        return error
    limit += hour_start(now) + HOUR - now
    reached = [start for start in starts if start - STEP > limit]
    which = str(len(reached))
    if reached and ranged:
        end = reached[-1].astimezone(timezone.utc) + HOUR
        which = f"--from '{hour_key(reached[0])[:16]}' --to '{hour_key(end)[:16]}'"
    return SourceRejected(
        f"{error.message}; {len(reached)} of the {len(starts)} hours are in reach",
        next_step=f"./run.sh {command} {which} fetches those; a higher plan reaches further"
        if reached
        else error.next_step,
        status=error.status,
        code=error.code,
    )


class NotStored:
    """What of a run's answers is not stored, and what of stored quotes could not be read, for the run's report.

    Args:
        report: counts the rejected quotes at once; takes the lines by `tell`.
    """

    def __init__(self, report: RunReport) -> None:
        self._report = report
        self._rejected = ReasonGroups()
        self._flaws = ReasonGroups()

    def note_rejects(self, rejects: Sequence[Reject], problems: Sequence[Problem]) -> None:
        """Take what of an answer is not stored."""
        self._report.rejected += len(rejects) + len(problems)
        for problem in problems:
            self._rejected.add(f"{problem.symbol} (id {problem.cmc_id})", problem.reason)
        for reject in rejects:
            self._rejected.add(f"{reject.symbol} (id {reject.cmc_id})", reject.reason, reject.hour)

    def note_flaws(self, quotes: Iterable[Quote], rows: Iterable[PriceRow]) -> None:
        """Take what could not be read of stored quotes.

        Args:
            quotes: of an answer.
            rows: those that came of them and are stored.
        """
        flawed = [quote for quote in quotes if quote.flaws]
        stored = {(row.symbol, row.fetched_at) for row in rows} if flawed else set()
        for quote in flawed:
            if (quote.symbol, tehran_text(quote.observed_at)) in stored:
                for flaw in quote.flaws:
                    who = f"{quote.symbol} (id {quote.cmc_id})"
                    self._flaws.add(who, f"stored, but {flaw}", hour_key(quote.observed_at))

    def tell(self) -> None:
        """Put the lines into the report, those of one reason together; once, at the end."""
        self._report.rejects.extend(self._rejected.lines())
        self._report.warnings.extend(self._flaws.lines())

"""The CoinMarketCap pipeline's steps: a source whose costs are counted, words for what was not stored or not read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import structlog

from adapters.clickhouse.coin_market_cap_row import PriceRow
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from adapters.http.coin_market_cap_quote import Quote
from crons.context import RunContext, RunReport
from crons.doors.coin_market_cap import open_source
from extractors.coin_market_cap_parser import Problem
from transformers.coin_market_cap_transformer import Reject
from transformers.tehran_time import hour_key, tehran_text

log = structlog.get_logger(__name__)


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

"""Past hours: what they cost, the answers stored as they come, and what the source has no quote for remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timezone
from typing import TypeAlias

import structlog

from adapters._bases.errors import SourceRejected
from adapters._bases.hourly_table import Hole
from adapters._bases.tehran_time import HOUR, describe_hours, hour_start, tehran_text
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from crons.filling import Filling, Taken
from crons.job import BackfillRequest, RunContext
from crons.jobs.cmc_parts import NotStored, Pipeline, opened, within_reach
from extractors.coin_market_cap_extractor import extract_historical
from extractors.coin_market_cap_parser import Coin, Parsed
from extractors.coin_market_cap_plan import HistoricalCall, credits_of, plan_calls, within_credits
from transformers.coverage import Hours, hours_by_key

log = structlog.get_logger(__name__)

Answer: TypeAlias = "tuple[HistoricalCall, Parsed]"


async def backfill(run: RunContext, source: CoinMarketCapHttpAdapter, fill: BackfillRequest) -> None:
    """Store the price of each symbol for the hours before the present one. Idempotent.

    Raises:
        SourceRejected: not enough credits or reach in the key's plan; nothing was spent.
        EtlError: the source, the database or the disk failed; what was fetched is stored or in the spool.
    """
    async with opened(run, source) as pipeline:
        credits_left, coins = await pipeline.ask_first()
        starts = fill.starts(run.now)
        hours = hours_by_key(starts)
        full = plan_calls(dict.fromkeys([coin.cmc_id for coin in coins], starts))
        _log_estimate(full, starts, len(coins), credits_left)
        plan = full if fill.max_credits is None else within_credits(full, fill.max_credits)
        _check_affordable(plan, credits_left)
        if plan != full:
            run.report.warnings.append(_rest(run, full, plan, starts[0]))
        try:
            if not fill.dry_run:
                wanted = dict.fromkeys([coin.symbol for coin in coins], hours)
                async with aclosing(extract_historical(source, plan, coins)) as answers:
                    await CoinFilling(pipeline, coins=coins, wanted=wanted).fill(answers, plan)
            elif (refusal := await pipeline.refusal_beyond_reach(starts[0])) is not None:
                raise refusal
        except SourceRejected as error:
            command = f"cron_backfill {run.name}"
            raise within_reach(error, starts, command, now=run.now, ranged=fill.first is not None) from error


def asked_hours(call: HistoricalCall, coins: Iterable[Coin], wanted: Mapping[str, Hours]) -> dict[str, Hours]:
    """Symbol to those of the wanted hours that a call asks for; empty where it asks for none of a symbol of its own.

    Args:
        call: to the source.
        coins: what its ids mean.
        wanted: symbol to hours.
    """
    ids = set(call.ids)
    return {
        coin.symbol: {
            key: start for key, start in wanted.get(coin.symbol, {}).items() if call.start <= start < call.end
        }
        for coin in coins
        if coin.cmc_id in ids
    }


class CoinFilling(Filling[HistoricalCall, Answer]):
    """Stores answers about past hours of coins.

    Args:
        pipeline: of the run.
        coins: those asked for.
        wanted: symbol to the hours of it that are wanted; what an answer brings beside them is left out.
    """

    def __init__(self, pipeline: Pipeline, *, coins: Iterable[Coin], wanted: Mapping[str, Hours]) -> None:
        super().__init__(pipeline.run, pipeline.prices)
        self._coins = list(coins)
        self._wanted = wanted
        self._transformer = pipeline.transformer()
        self._not_stored = NotStored(pipeline.run.report)

    def asked(self, call: HistoricalCall) -> dict[str, Hours]:
        """The wanted hours that a call asks for."""
        return asked_hours(call, self._coins, self._wanted)

    def call_of(self, answer: Answer) -> HistoricalCall:
        """Which call it is the answer to."""
        return answer[0]

    def take(self, answer: Answer, asked: Mapping[str, Hours]) -> Taken:
        """The rows of one answer; its rejects are noted."""
        quotes, problems = answer[1]
        keys = frozenset(key for hours in asked.values() for key in hours)
        transformed = self._transformer.historical(quotes, keys)
        rows = [row for row in transformed.rows if row.hour_key in asked.get(row.symbol, ())]
        rejects = [reject for reject in transformed.rejects if reject.hour in asked.get(reject.symbol, ())]
        self._run.report.extracted += len(quotes)
        self._not_stored.note_rejects(rejects, problems)
        self._not_stored.note_flaws(quotes, rows)
        # What the source gave and the program refused is missing, but no hole of the source.
        refused = {(reject.symbol, reject.hour) for reject in rejects}
        return Taken(rows, refused, frozenset(problem.symbol for problem in problems))

    def hole(self, symbol: str, hour: str) -> Hole:
        """The note of an hour without a quote."""
        cmc_id = next(coin.cmc_id for coin in self._coins if coin.symbol == symbol)
        return Hole(symbol, hour, cmc_id, tehran_text(self._run.now), self._run.run_id)

    def tell(self) -> None:
        """Put what was not stored into the report."""
        self._not_stored.tell()


def _log_estimate(
    plan: Sequence[HistoricalCall], starts: Sequence[datetime], coins: int, credits_left: int | None
) -> None:
    """Log what a plan for these hours will cost, before anything is spent."""
    log.info(
        "estimate",
        hours=describe_hours(starts),
        credits=credits_of(plan),
        credits_left="not known" if credits_left is None else credits_left,
        coins=coins,
        calls=len(plan),
    )


def _rest(run: RunContext, full: Sequence[HistoricalCall], plan: Sequence[HistoricalCall], first: datetime) -> str:
    """What a bound leaves out, and the command that fetches it: a heal, which asks for what is missing alone."""
    hours = (hour_start(run.now).astimezone(timezone.utc) - first) // HOUR
    rest = credits_of(full) - credits_of(plan)
    return (
        f"{rest} of {credits_of(full)} credits' worth of hours are left out by --max-credits; "
        f"./run.sh cron_heal {run.name} {hours} --max-credits {credits_of(full)} fetches those that are missing"
    )


def _check_affordable(plan: Sequence[HistoricalCall], credits_left: int | None) -> None:
    """Refuse a plan that costs more than is left; None when the source does not say.

    Raises:
        SourceRejected: it does.
    """
    if credits_left is not None and credits_of(plan) > credits_left:
        raise SourceRejected(
            f"the backfill would cost about {credits_of(plan)} credits, and {credits_left} are left; nothing was spent",
            next_step="ask for fewer hours or symbols, or wait for the plan's next period",
        )

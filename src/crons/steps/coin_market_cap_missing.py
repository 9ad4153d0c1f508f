"""Which hours of which coins are not stored, and which of those the source is known to have no quote for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime

import structlog

from adapters.http.coin_market_cap_quote import Coin
from crons.context import RunContext
from crons.doors.coin_market_cap import holes, stored_hours
from crons.steps.coin_market_cap_filling import Hours, hours_by_key
from transformers.tehran_time import describe_hours, hour_key

log = structlog.get_logger(__name__)


def missing_hours(
    context: RunContext, coins: Sequence[Coin], starts: Sequence[datetime], *, ask_all: bool
) -> dict[str, Hours]:
    """Symbol to the hours that have no price, of symbols that miss any. Asks the database, in this thread.

    Args:
        context: of the run.
        coins: each symbol once.
        starts: the hours that should be there, in the order of time; at least one.
        ask_all: also those that the source had no quote for when it was asked last.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    hours = hours_by_key(starts)
    first, last = hour_key(starts[0]), hour_key(starts[-1])
    symbols = [coin.symbol for coin in coins]
    stored = stored_hours(context).stored(symbols, first=first, priced_from=last)
    known = [] if ask_all else holes(context).known(symbols, first=first, last=last)
    # A hole is of a coin: when a symbol has come to mean another one, its former holes say nothing.
    given_up = {(hole.symbol, hole.cmc_id, hole.datetime) for hole in known}
    missing: dict[str, Hours] = {}
    for coin in coins:
        there = stored[coin.symbol].hours if coin.symbol in stored else frozenset()
        wanted = {
            key: start
            for key, start in hours.items()
            if key not in there and (coin.symbol, coin.cmc_id, key) not in given_up
        }
        if wanted:
            missing[coin.symbol] = wanted
    return missing


async def tell_still_missing(
    context: RunContext, coins: Sequence[Coin], starts: Sequence[datetime], left_out: Collection[tuple[str, str]]
) -> None:
    """Log what a heal leaves missing, and why, in one line.

    Args:
        context: of the run.
        coins: each symbol once.
        starts: the hours that should be there, in the order of time; at least one.
        left_out: (symbol, hour key) of the hours that the heal did not ask for, for want of credits.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    context.step("looking for what is still missing")
    missing = await asyncio.to_thread(missing_hours, context, coins, starts, ask_all=True)
    keys = {(symbol, key) for symbol, hours in missing.items() for key in hours}
    if not keys:
        log.info("nothing is missing any longer", hours=describe_hours(starts))
        return
    over = len(keys & set(left_out))
    log.info(
        "still missing",
        coin_hours=len(keys),
        coins=len(missing),
        ranges=describe_hours({start for hours in missing.values() for start in hours.values()}),
        over_the_credits=over,
        without_a_valid_quote_at_the_source=len(keys) - over,
    )

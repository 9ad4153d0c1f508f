"""Which hours of which coins are not stored and may be asked for; words for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from adapters.http.coin_market_cap_quote import Coin
from crons.context import RunContext
from crons.doors.coin_market_cap import holes, stored_hours
from crons.steps.coin_market_cap_filling import Hours, hours_by_key
from transformers.tehran_time import describe_hours, hour_key

_NAMED_SYMBOLS = 10

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
    stored = stored_hours(context).stored(symbols, first=first, last=last, priced_from=last)
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


def count_before_first(context: RunContext, missing: Mapping[str, Hours]) -> int:
    """How many of these hours lie before the first stored one of their symbol, or are of a symbol without any.

    Asks the database, in this thread.

    Args:
        context: of the run.
        missing: symbol to hours that have no price.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    first = stored_hours(context).first_hours(list(missing))
    # Keys are in the order of time as they are in that of text.
    return sum(symbol not in first or key < first[symbol] for symbol, hours in missing.items() for key in hours)


def tell_missing(missing: Mapping[str, Hours], *, event: str) -> None:
    """Log missing hours, symbols that miss the same in one line.

    Args:
        missing: symbol to its missing hours.
        event: what the lines say of them.
    """
    alike: dict[str, list[str]] = {}
    for symbol, hours in missing.items():
        alike.setdefault(describe_hours(hours.values()), []).append(symbol)
    for ranges, symbols in alike.items():
        hours_each = len(missing[symbols[0]])
        log.info(event, symbols=named(symbols), coins=len(symbols), hours_each=hours_each, ranges=ranges)


def named(symbols: Sequence[str]) -> str:
    """Symbols for a line of the log: the first ten."""
    return ",".join(symbols[:_NAMED_SYMBOLS]) + (",…" if len(symbols) > _NAMED_SYMBOLS else "")

"""The hours that a table lacks, as a heal looks for them and a log says them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

import structlog

from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.tehran_time import describe_hours, hour_key
from transformers.coverage import Hours, HourState, hour_states, hours_by_key, missing_among

_NAMED_SYMBOLS = 10

Keys = Set[tuple[str, str]]
"""(symbol, hour key) pairs."""

log = structlog.get_logger(__name__)


def missing_hours(
    prices: HourlyRepository, meant: Mapping[str, object], starts: Sequence[datetime], *, ask_all: bool
) -> dict[str, Hours]:
    """Symbol to the hours that have no price, of symbols that miss any. Asks the database, in this thread.

    Args:
        prices: the table.
        meant: symbol to what it means, as the table's holes have it.
        starts: the hours that should be there, in the order of time; at least one.
        ask_all: also those that the source had no quote for when it was asked last.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    hours = hours_by_key(starts)
    first, last = hour_key(starts[0]), hour_key(starts[-1])
    symbols = list(meant)
    stored = prices.stored(symbols, first=first, last=last, valued_from=last)
    given_up = {} if ask_all else prices.holes_by_symbol(symbols, first=first, last=last, meant=meant)
    missing = {
        symbol: missing_among(hours, stored[symbol].hours if symbol in stored else (), given_up.get(symbol, ()))
        for symbol in symbols
    }
    return {symbol: hours for symbol, hours in missing.items() if hours}


def count_before_first(prices: HourlyRepository, missing: Mapping[str, Hours]) -> int:
    """How many of these hours lie before the first stored one of their symbol, or are of a symbol without any.

    Asks the database, in this thread.

    Args:
        prices: the table.
        missing: symbol to hours that have no price.

    Raises:
        StorageUnavailable: the database does not answer.
        StorageRejected: it refuses.
    """
    first = prices.first_hours(list(missing))
    return sum(
        hour_states(hours, (), (), first=first.get(symbol)).count(HourState.NOT_EXPECTED)
        for symbol, hours in missing.items()
    )


def alike(hours: Mapping[str, Iterable[datetime]]) -> dict[tuple[str, ...], str]:
    """Symbols that have the same hours, put together, to a description of these.

    Args:
        hours: symbol to aware starts of hours.
    """
    symbols: dict[str, list[str]] = {}
    for symbol, of_symbol in hours.items():
        symbols.setdefault(describe_hours(of_symbol), []).append(symbol)
    return {tuple(names): ranges for ranges, names in symbols.items()}


def log_missing(missing: Mapping[str, Hours], *, event: str) -> None:
    """Log missing hours, symbols that miss the same in one line.

    Args:
        missing: symbol to its missing hours.
        event: what the lines say of them.
    """
    for symbols, ranges in alike({symbol: hours.values() for symbol, hours in missing.items()}).items():
        hours_each = len(missing[symbols[0]])
        log.info(event, symbols=named(symbols), coins=len(symbols), hours_each=hours_each, ranges=ranges)


def named(symbols: Sequence[str]) -> str:
    """Symbols for a line of the log: the first ten."""
    return ",".join(symbols[:_NAMED_SYMBOLS]) + (",…" if len(symbols) > _NAMED_SYMBOLS else "")


def keys_of(hours: Mapping[str, Hours]) -> Keys:
    """The hours of symbols as pairs."""
    return {(symbol, key) for symbol, keys in hours.items() for key in keys}

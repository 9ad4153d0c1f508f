"""Normalized quotes to storable rows, and the rejects with their reasons. Pure: no I/O, no clock.

It decides what may be stored, and never makes up or corrects a price or moves it to another hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from adapters._bases.tehran_time import hour_key, in_tehran, tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import PriceRow
from adapters.http.coin_market_cap_http_adapter import CURRENCY
from extractors.coin_market_cap_parser import Coin, Parsed, Quote
from transformers.coverage import Batch, Hours, Remark

# Clocks of two hosts differ by seconds; a quote further ahead than this says that one of them is wrong.
FUTURE_TOLERANCE = timedelta(minutes=5)


def latest_batch(answer: Parsed, *, now: datetime, run_id: str, stale_after: timedelta) -> Batch:
    """Rows of the present hour: the first quote for a symbol; any other is a reject.

    Args:
        now: aware; the time of the run.
        stale_after: a quote that the source updated longer ago than this is a dead coin's frozen price.
    """
    kept: dict[str, Quote] = {}
    rejects = [*answer.rejects]
    for quote in answer.quotes:
        reason = _objection(quote, now)
        updated = quote.source_updated_at
        if not reason and updated is not None and updated < now - stale_after:
            reason = f"stale: last updated {tehran_text(updated)} in Tehran, so the price is frozen"
        if not reason and quote.symbol in kept:
            reason = "the source gave this coin twice"
        if reason:
            rejects.append(_remark(quote, reason))
        else:
            kept[quote.symbol] = quote
    return _batch(answer, {}, kept.values(), rejects, run_id)


def past_batch(answer: Parsed, asked: Mapping[str, Hours], *, now: datetime, run_id: str) -> Batch:
    """Rows of past hours: for each symbol and wanted hour the earliest valid quote inside it.

    Of an hour that came twice only the earlier one counts. Of two quotes of one time the first stays, and the other is
    a reject if its price differs. Quotes without a price, which CoinMarketCap does not have, are left out.
    """
    earliest: dict[tuple[str, str], Quote] = {}
    rejects = [*answer.rejects]
    points: dict[str, list[datetime]] = {}
    for quote in answer.quotes:
        points.setdefault(quote.symbol, []).append(quote.observed_at)
        _, hour, comes_again = _tehran_of(quote.observed_at.astimezone(timezone.utc))
        if hour not in asked.get(quote.symbol, ()) or comes_again or quote.price is None:
            continue
        other = earliest.get((quote.symbol, hour))
        reason = _objection(quote, now)
        if not reason and other and quote.observed_at == other.observed_at and quote.price != other.price:
            reason = "the source gave two prices for the same time, and the first is used"
        if reason:
            rejects.append(_remark(quote, reason))
        elif other is None or quote.observed_at < other.observed_at:
            earliest[quote.symbol, hour] = quote
    return _batch(answer, asked, earliest.values(), rejects, run_id)._replace(points=points)


def _batch(
    answer: Parsed, asked: Mapping[str, Hours], quotes: Iterable[Quote], rejects: list[Remark], run_id: str
) -> Batch:
    flaws = [_remark(quote, f"stored, but {flaw}") for quote in quotes for flaw in quote.flaws]
    return Batch(asked, [_row(quote, run_id) for quote in quotes], rejects, flaws, extracted=len(answer.quotes))


def _remark(quote: Quote, reason: str) -> Remark:
    return Remark(quote.symbol, reason, hour_key(quote.observed_at), str(Coin(quote.symbol, quote.cmc_id)))


def _objection(quote: Quote, now: datetime) -> str:
    """Why a quote cannot be stored; empty if it can."""
    if quote.source_symbol.upper() != quote.symbol:  # a few tickers, such as USDe, are of mixed case
        return (
            f"CoinMarketCap calls id {quote.cmc_id} {quote.source_symbol!r}, not {quote.symbol!r}: "
            f"if it was renamed: ./run.sh coins --rename {quote.symbol}:{quote.source_symbol.upper()}"
        )
    if quote.price is None:
        return "no price (null)"
    if not 0 < quote.price < math.inf:
        return f"not a price: {quote.price!r}"
    newest = max(quote.observed_at, quote.source_updated_at or quote.observed_at)
    if newest > now + FUTURE_TOLERANCE:
        return f"from the future ({tehran_text(newest)} in Tehran): see whether this host's clock is right"
    return ""


def _row(quote: Quote, run_id: str) -> PriceRow:
    updated = quote.source_updated_at
    return PriceRow(
        symbol=quote.symbol,
        cmc_id=quote.cmc_id,
        name=quote.name,
        price=quote.price or math.nan,  # a number: see `_objection`
        **quote.numbers,
        cmc_rank=quote.cmc_rank,
        currency=CURRENCY,
        endpoint=quote.endpoint,
        run_id=run_id,
        source_updated_at=None if updated is None else _tehran_of(updated.astimezone(timezone.utc))[0],
        fetched_at=_tehran_of(quote.observed_at.astimezone(timezone.utc))[0],
    )


# The points of many coins share their times, and Tehran's zone is slow to compute. Keyed by UTC, where equal times are
# the same instant: in Tehran's zone two times an hour apart may be equal.
@lru_cache(maxsize=16_384)
def _tehran_of(utc: datetime) -> tuple[str, str, bool]:
    """The text and the hour key of an instant, and whether its wall hour comes for the second time."""
    return tehran_text(utc), hour_key(utc), bool(in_tehran(utc).fold)

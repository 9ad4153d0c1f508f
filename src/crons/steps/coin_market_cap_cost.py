"""What past hours cost: said before it is spent, and bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from adapters._bases.errors import SourceRejected
from crons.context import RunContext
from crons.steps.coin_market_cap_filling import Hours, Keys
from extractors.coin_market_cap_plan import BackfillPlan
from transformers.tehran_time import describe_hours

_GET_A_KEY = "set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/"

log = structlog.get_logger(__name__)


def tell_estimate(plan: BackfillPlan, starts: Sequence[datetime], coins: int, credits_left: int | None) -> None:
    """Log what a plan for these hours will cost, before anything is spent."""
    log.info(
        "estimate",
        hours=describe_hours(starts),
        coins=coins,
        calls=len(plan.calls),
        credits=plan.credits,
        credits_left="not told" if credits_left is None else credits_left,
    )


def tell_heal_estimate(
    full: BackfillPlan,
    plan: BackfillPlan,
    missing: Mapping[str, Hours],
    asked: Keys,
    *,
    before_first: int,
    credits_left: int | None,
) -> None:
    """Log what all that is missing will cost, and what of it this heal asks for, before anything is spent.

    Args:
        full: the plan for all that is missing.
        plan: as much of it as this heal's credits reach.
        missing: symbol to its missing hours.
        asked: (symbol, hour key) of those that `plan` asks for.
        before_first: how many of the missing lie before the first stored hour of their symbol.
        credits_left: what the source says is left; None when not told.
    """
    log.info(
        "estimate of all that is missing",
        coin_hours=sum(map(len, missing.values())),
        before_the_first_stored=before_first,
        coins=len(missing),
        calls=len(full.calls),
        credits=full.credits,
        credits_left="not told" if credits_left is None else credits_left,
    )
    log.info(
        "of that this heal asks for",
        coin_hours=len(asked),
        coins=len({symbol for symbol, _ in asked}),
        calls=len(plan.calls),
        credits=plan.credits,
    )


def check_affordable(plan: BackfillPlan, credits_left: int | None) -> None:
    """Refuse a plan that costs more than is left; None when that was not told.

    Raises:
        SourceRejected: it does.
    """
    if credits_left is not None and plan.credits > credits_left:
        raise SourceRejected(
            f"the backfill would cost about {plan.credits} credits, and {credits_left} are left; nothing was spent",
            next_step="ask for fewer hours or symbols, or wait for the plan's next period",
        )


def tell_left(
    context: RunContext, full: BackfillPlan, plan: BackfillPlan, *, max_credits: int, credits_left: int | None
) -> None:
    """Warn of what the credits do not reach, and name the bound: the heal's own, or what the key has left.

    Args:
        context: of the run.
        full: the plan for all that is missing.
        plan: as much of it as this heal asks for.
        max_credits: the most that this heal may spend.
        credits_left: what the source says is left; None when not told.
    """
    if full == plan:
        return
    bound = f"this one may spend {max_credits} (--max-credits)"
    if credits_left is not None and credits_left < max_credits:
        bound = f"the key has {credits_left} left, and `./run.sh check` says when they come back"
    context.report.warnings.append(
        f"{full.credits - plan.credits} of {full.credits} credits' worth of missing hours are left for the next heal: "
        f"{bound}"
    )


def require_key(context: RunContext, what: str) -> None:
    """Refuse what the keyless API does not serve.

    Raises:
        SourceRejected: there is no key.
    """
    if context.settings.cmc_api_key is None:
        raise SourceRejected(f"{what} needs a key of CoinMarketCap, and none is set", next_step=_GET_A_KEY)

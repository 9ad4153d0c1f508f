"""What an API key may still do, as ``/v1/key/info`` tells it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from adapters._bases.errors import ContractError
from adapters.http.coin_market_cap_errors import one_line


class KeyInfo(NamedTuple):
    """A key's plan and what is left of it; None where CoinMarketCap does not say.

    Attributes:
        credit_limit_monthly: credits the plan gives a month.
        credits_left: credits that can be spent now: the month's, or the day's where the plan has a smaller daily limit.
        requests_per_minute: calls the plan allows a minute.
        reset: when the month's credits come back, in CoinMarketCap's words, such as ``In 8 days, 11 hours``.
    """

    credit_limit_monthly: int | None
    credits_left: int | None
    requests_per_minute: int | None
    reset: str | None


def parse_key_info(data: object) -> KeyInfo:
    """``data`` of ``/v1/key/info``; unknown keys are ignored, absent numbers become None.

    Raises:
        ContractError: there is no plan or no usage in it.
    """
    plan, usage = _part(data, "plan"), _part(data, "usage")
    left = [_number(usage.get(span), "credits_left") for span in ("current_day", "current_month")]
    reset = plan.get("credit_limit_monthly_reset")
    return KeyInfo(
        credit_limit_monthly=_number(plan, "credit_limit_monthly"),
        credits_left=min((number for number in left if number is not None), default=None),
        requests_per_minute=_number(plan, "rate_limit_minute"),
        reset=one_line(reset) if isinstance(reset, str) else None,
    )


def _part(data: object, key: str) -> dict[str, object]:
    part = data.get(key) if isinstance(data, dict) else None
    if not isinstance(part, dict):
        raise ContractError(
            f"CoinMarketCap's /v1/key/info answered without data.{key}",
            next_step="check CMC_BASE_URL; if it is right, the API has changed",
            json_path=f"data.{key}",
        )
    return part


def _number(part: object, key: str) -> int | None:
    value = part.get(key) if isinstance(part, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

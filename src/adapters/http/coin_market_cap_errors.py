"""CoinMarketCap's error codes as our errors. Pure.

Codes and their meaning: CoinMarketCap's error guide and the error models of its official SDK 5.0.0. A message is
CoinMarketCap's own text; the code, then the HTTP status, decides whether to retry and what to do.
"""

from __future__ import annotations

import re
from datetime import datetime

from adapters._bases.errors import ContractError, EtlError, SourceRejected
from adapters._bases.http_adapter import failure, may_pass
from adapters._bases.json_values import instant

_OK = 0
_HTTP_OK = 200
_MINUTE_LIMIT = 1008

USE_A_KEY = "set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/"
_CHECK_KEY = "check CMC_API_KEY against your account at https://pro.coinmarketcap.com/account"
_CHECK_PLAN = "look at your plan at https://pro.coinmarketcap.com/account/plan"

# What to do about a refusal, by CoinMarketCap's code, or by the HTTP status of its gateway, which has no codes.
_NEXT_STEPS = {
    1001: _CHECK_KEY,
    1002: USE_A_KEY,
    1003: f"pay or change the plan: {_CHECK_PLAN}",
    1004: f"renew the plan: {_CHECK_PLAN}",
    1005: USE_A_KEY,
    1006: f"a higher plan is needed: {_CHECK_PLAN}",
    1007: "ask CoinMarketCap's support why, or use another key in CMC_API_KEY",
    1009: f"the day's credits are used up: wait for the next UTC day, or use a higher plan: {_CHECK_PLAN}",
    1010: f"the month's credits are used up: wait for the plan's reset, or use a higher plan: {_CHECK_PLAN}",
    401: _CHECK_KEY,
    402: _CHECK_PLAN,
    403: f"{_CHECK_KEY}; the plan may not include this endpoint",
    404: "check CMC_BASE_URL",
}
# What to do about a limit, with the seconds to wait. A blocked address must stay away for long; the anonymous burst
# limit clears within about a minute, while its daily limit does not clear and only a key helps.
_LIMITS = {
    # After the turn of the minute, so that a clock slightly ahead of the source's does not ask too soon.
    _MINUTE_LIMIT: ("if another program uses this key, give it a key of its own", 61.0),
    1011: ("let other programs behind this address call less, and try again later", 60.0),
    1022: (USE_A_KEY, 20.0),
}
_BEYOND_REACH = "the requested hours are beyond the plan's reach"
_NEWER_THAN = re.compile(r"newer than (\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?)")


def error_of(status: int, code: int | None, text: str, *, now: datetime, keyless: bool) -> EtlError | None:
    """The error that an answer means; None for success.

    Args:
        code: ``error_code``, 0 for success; None if it cannot be read.
        text: ``error_message`` as `one_line`, free of secrets.
        now: aware; the minute limit is waited for until the next minute.
        keyless: no key was sent, so a key is the remedy for limits.
    """
    if status == _HTTP_OK and code == _OK:
        return None
    if status == _HTTP_OK and code is None:
        return ContractError(
            "CoinMarketCap answered without its status block, so success cannot be distinguished from failure",
            next_step="check CMC_BASE_URL; if it is right, the API has changed",
        )
    # On a 200 the code says what the status would have said.
    passes, wait = may_pass(code if status == _HTTP_OK and code else status), None
    later = USE_A_KEY if keyless else "try again later; https://status.coinmarketcap.com says more"
    refused = _NEXT_STEPS.get(code or _OK) or _NEXT_STEPS.get(status, "check SYMBOLS and CMC_BASE_URL")
    if code in _LIMITS:
        passes, (later, wait) = True, _LIMITS[code]
        if code == _MINUTE_LIMIT:
            wait -= now.second + now.microsecond / 1e6
    elif code in _NEXT_STEPS:
        passes = False
    elif not passes and "historical access" in text:
        text = f"{_BEYOND_REACH}, nothing was charged: {text}"
        refused = f"request fewer hours, or use a higher plan: {_CHECK_PLAN}"
    return failure("CoinMarketCap", status, text, code=code, passes=passes, refused=refused, later=later, wait=wait)


def is_beyond_reach(error: SourceRejected) -> bool:
    """Whether the refusal is of hours that the key's plan does not reach."""
    return _BEYOND_REACH in error.message


def reach_of(error: SourceRejected) -> datetime | None:
    """The moment, aware, since which past hours are in the plan's reach; None if the refusal does not name it."""
    named = _NEWER_THAN.search(error.message) if is_beyond_reach(error) else None
    return None if named is None else instant(named[1] if "T" in named[1] else f"{named[1]}T00:00:00Z")

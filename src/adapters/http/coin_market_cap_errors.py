"""CoinMarketCap's ``status`` block, and its error codes as our errors: what, why and what to do. Pure.

Codes and their meaning: CoinMarketCap's error guide and the error models of its official SDK 5.0.0. The code, then the
HTTP status, decides whether to retry; the text only chooses the explanation.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import may_pass
from adapters._bases.json_values import instant, one_line, whole

_OK = 0
_HTTP_OK = 200
_MINUTE_LIMIT = 1008

USE_A_KEY = "set CMC_API_KEY in .env: a free key comes from https://coinmarketcap.com/api/"
_CHECK_KEY = "check CMC_API_KEY against your account at https://pro.coinmarketcap.com/account"
_CHECK_PLAN = "look at your plan at https://pro.coinmarketcap.com/account/plan"

_REFUSALS: dict[int, tuple[str, str]] = {
    1001: ("the API key is not valid", _CHECK_KEY),
    1002: ("no API key was sent", USE_A_KEY),
    1003: ("the API key is not activated: its plan awaits payment", f"pay or change the plan: {_CHECK_PLAN}"),
    1004: ("the plan's payment has expired", f"renew it: {_CHECK_PLAN}"),
    1005: ("this endpoint needs an API key", USE_A_KEY),
    1006: ("the API key's plan does not include this endpoint", f"a higher plan is needed: {_CHECK_PLAN}"),
    1007: ("the API key is disabled", "ask CoinMarketCap's support why, or use another key in CMC_API_KEY"),
    1009: ("the day's credits are used up", f"wait for the next UTC day, or use a higher plan: {_CHECK_PLAN}"),
    1010: ("the month's credits are used up", f"wait for the plan's reset, or use a higher plan: {_CHECK_PLAN}"),
}
# Refusals without a code of CoinMarketCap's own, as its gateway makes them.
_REFUSALS_BY_STATUS: dict[int, tuple[str, str]] = {
    401: ("the API key was not accepted", _CHECK_KEY),
    402: ("the plan awaits payment", _CHECK_PLAN),
    403: ("access was denied", f"{_CHECK_KEY}; the plan may not include this endpoint"),
    404: ("there is no such endpoint", "check CMC_BASE_URL"),
}
# With the seconds to wait. A blocked address must stay away for long; the anonymous burst limit clears within about a
# minute, while its daily limit does not clear and only a key helps.
_LIMITS: dict[int, tuple[str, str, float]] = {
    _MINUTE_LIMIT: (
        "the plan's calls for this minute are used up",
        "if another program uses this key, give it a key of its own",
        # After the turn of the minute, so that a clock slightly ahead of the source's does not ask too soon.
        61.0,
    ),
    1011: (
        "this machine's address makes too many calls",
        "let other programs behind this address call less, and try again later",
        60.0,
    ),
    1022: ("the limit for calls without a key is reached", USE_A_KEY, 20.0),
}
_BEYOND_REACH = "the requested hours are beyond the plan's reach"
_NEWER_THAN = re.compile(r"newer than (\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?)")


class Envelope(NamedTuple):
    """An answer's status block."""

    http_status: int
    code: int | None = None  # error_code; 0 for success, None if it cannot be read
    text: str = ""  # error_message, as one_line
    credits_used: int = 0  # credit_count, the authoritative cost of the call
    timestamp: datetime | None = None  # aware; CoinMarketCap's time of the answer


def read_envelope(http_status: int, status: object) -> Envelope:
    """The envelope of any JSON value for ``status``: v3 has the error code as a string."""
    if not isinstance(status, dict):
        return Envelope(http_status)
    text, stamp = status.get("error_message"), status.get("timestamp")
    return Envelope(
        http_status,
        whole(status.get("error_code")),
        one_line(text) if isinstance(text, str) else "",
        max(whole(status.get("credit_count")) or 0, 0),
        instant(stamp) if isinstance(stamp, str) else None,
    )


def error_of(envelope: Envelope, *, now: datetime, keyless: bool) -> EtlError | None:
    """The error that an answer means; None for success.

    Args:
        envelope: its text already free of secrets.
        now: aware; the minute limit is waited for until the next minute.
        keyless: no key was sent, so a key is the remedy for limits.
    """
    status, code = envelope.http_status, envelope.code
    if status == _HTTP_OK and code == _OK:
        return None
    if status == _HTTP_OK and code is None:
        return ContractError(
            "CoinMarketCap answered without its status block, so success cannot be distinguished from failure",
            next_step="check CMC_BASE_URL; if it is right, the API has changed",
        )
    unknown = ("the request was refused", "check SYMBOLS and CMC_BASE_URL")
    why, next_step = _REFUSALS.get(code or _OK) or _REFUSALS_BY_STATUS.get(status, unknown)
    passing, wait = False, None
    if code in _LIMITS:
        passing, (why, next_step, wait) = True, _LIMITS[code]
        if code == _MINUTE_LIMIT:
            wait -= now.second + now.microsecond / 1e6
    # On a 200 the code says what the status would have said.
    elif code not in _REFUSALS and may_pass(code if status == _HTTP_OK and code is not None else status):
        passing, why = True, "it is overloaded or failing"
        next_step = USE_A_KEY if keyless else "try again later; https://status.coinmarketcap.com says more"
    elif code not in _REFUSALS and "historical access" in envelope.text:
        why = f"{_BEYOND_REACH}, nothing was charged"
        next_step = f"request fewer hours, or use a higher plan: {_CHECK_PLAN}"
    shown_code = "" if code in (None, _OK) else f", code {code}"
    message = f"CoinMarketCap: {why} (HTTP {status}{shown_code}{f': {envelope.text}' if envelope.text else ''})"
    if passing:
        return SourceUnavailable(message, next_step=next_step, retry_after_seconds=wait, status=status, code=code)
    return SourceRejected(message, next_step=next_step, status=status, code=code)


def is_beyond_reach(error: SourceRejected) -> bool:
    """Whether the refusal is of hours that the key's plan does not reach."""
    return _BEYOND_REACH in error.message


def reach_of(error: SourceRejected) -> datetime | None:
    """The moment, aware, since which past hours are in the plan's reach; None if the refusal does not name it."""
    named = _NEWER_THAN.search(error.message) if is_beyond_reach(error) else None
    return None if named is None else instant(named[1] if "T" in named[1] else f"{named[1]}T00:00:00Z")

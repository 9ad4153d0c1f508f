"""The query parameters that each endpoint of the simulated source accepts, and how it refuses others."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from sandbox.api_error import bad_request
from sandbox.quote_times import INTERVALS, MAX_COUNT

Rule = Callable[[str, str], None]
"""Called with a parameter's name and value; raises `ApiError` for a value that is not accepted."""


def parse_query(query: str) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        ApiError: 400, a parameter given twice.
    """
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in parameters:
            raise bad_request(f'"{name}" must be a string')
        parameters[name] = value
    return parameters


def check(parameters: Mapping[str, str], rules: Mapping[str, Rule], *, needed: Collection[str] = ()) -> None:
    """Check the parameters by an endpoint's rules.

    Raises:
        ApiError: 400, a parameter is unknown, empty or wrong, or one of the `needed` is missing.
    """
    for name, value in parameters.items():
        if name not in rules:
            raise bad_request(f'"{name}" is not allowed')
        if not value:
            raise bad_request(f'"{name}" is not allowed to be empty')
        rules[name](name, value)
    for name in needed:
        if name not in parameters:
            raise bad_request(f'"{name}" is required')


def matching(pattern: str) -> Rule:
    """A rule that the whole value matches the regular expression."""
    compiled = re.compile(pattern)

    def rule(name: str, value: str) -> None:
        if not compiled.fullmatch(value):
            raise bad_request(f'"{name}" with value "{value}" fails to match the required pattern')

    return rule


def one_of(choices: Collection[str]) -> Rule:
    """A rule that the value is one of the choices."""

    def rule(name: str, value: str) -> None:
        if value not in choices:
            raise bad_request(f'"{name}" must be one of [{", ".join(sorted(choices))}]')

    return rule


def whole_number(*, least: int, most: int) -> Rule:
    """A rule that the value is a whole number within the bounds, both inclusive."""

    def rule(name: str, value: str) -> None:
        if not re.fullmatch(r"-?[0-9]{1,15}(\.0+)?", value):
            raise bad_request(f'"{name}" must be an integer')
        if parse_number(value) < least:
            raise bad_request(f'"{name}" must be larger than or equal to {least}')
        if parse_number(value) > most:
            raise bad_request(f'"{name}" must be less than or equal to {most}')

    return rule


def an_instant(name: str, value: str) -> None:
    """The rule that the value is ISO 8601."""
    try:
        parse_instant(value)
    except (ValueError, OverflowError):
        raise bad_request(f'"{name}" must be a valid ISO 8601 timestamp or unix time value') from None


def parse_number(value: str) -> int:
    """A whole number, also as the official client writes it, ``10.0``."""
    return int(float(value))


def parse_instant(value: str) -> float:
    """ISO 8601 (UTC where it names no zone) as seconds since 1970 UTC.

    Raises:
        ValueError, OverflowError: it is not ISO 8601, or out of range.
    """
    instant = datetime.fromisoformat(re.sub(r"Z$", "+00:00", value))
    return (instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)).timestamp()


_IDS = matching(r"\d+(?:,\d+)*")
# Only USD is simulated, and only the parts of a quote that come unless others are asked for.
_USD = one_of(("USD",))
_HISTORICAL_AUX = one_of(("price,volume,market_cap,circulating_supply,total_supply,quote_timestamp,is_active,is_fiat",))

LATEST: dict[str, Rule] = {"id": _IDS, "skip_invalid": one_of(("true", "false")), "convert": _USD}
HISTORICAL: dict[str, Rule] = {
    **LATEST,
    "time_start": an_instant,
    "time_end": an_instant,
    "count": whole_number(least=1, most=MAX_COUNT),
    "interval": one_of(INTERVALS),
    "aux": _HISTORICAL_AUX,
}
MAP: dict[str, Rule] = {
    "symbol": matching(r"[0-9A-Za-z$@\-]+(?:,[0-9A-Za-z$@\-]+)*"),
    # With a symbol the source ignores these, which its official client always sends.
    **dict.fromkeys(("listing_status", "start", "sort", "aux"), matching(".+")),
}
KEY_INFO: dict[str, Rule] = {}

"""Which query parameters an endpoint of the simulated source accepts, and which texts it refuses the others with."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from urllib.parse import parse_qsl

from sandbox.api_error import bad_request
from sandbox.quote_times import INTERVALS, MAX_COUNT

Rule = Callable[[str, str], None]
"""Called with a parameter's name and value; raises `ApiError` if the value is not acceptable."""

MAP_LIMIT = 5_000


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


def check(parameters: Mapping[str, str], rules: Mapping[str, Rule]) -> None:
    """Holds the parameters against an endpoint's rules.

    Raises:
        ApiError: 400, a parameter is unknown, empty or wrong.
    """
    for name, value in parameters.items():
        if name not in rules:
            raise bad_request(f'"{name}" is not allowed')
        if not value:
            raise bad_request(f'"{name}" is not allowed to be empty')
        rules[name](name, value)


def check_one_of(parameters: Mapping[str, str], names: Collection[str], *, needed: bool = True) -> None:
    """Exactly one of these parameters is given; at most one where none is `needed`.

    Raises:
        ApiError: 400.
    """
    given = [name for name in names if name in parameters]
    listed = ", ".join(names)
    if needed and not given:
        raise bad_request(f'"value" must contain at least one of [{listed}]')
    if len(given) > 1:
        raise bad_request(f'"value" contains a conflict between exclusive peers [{listed}]')


def matching(pattern: str) -> Rule:
    """A rule: the whole value matches the regular expression."""
    compiled = re.compile(pattern)

    def rule(name: str, value: str) -> None:
        if not compiled.fullmatch(value):
            raise bad_request(f'"{name}" with value "{value}" fails to match the required pattern')

    return rule


def one_of(choices: Collection[str]) -> Rule:
    """A rule: the value is one of the choices."""

    def rule(name: str, value: str) -> None:
        if value not in choices:
            raise bad_request(f'"{name}" must be one of [{", ".join(sorted(choices))}]')

    return rule


def some_of(choices: Collection[str]) -> Rule:
    """A rule: the value is a comma list of choices."""

    def rule(name: str, value: str) -> None:
        for part in value.split(","):
            if part not in choices:
                raise bad_request(f'"{name}" must be one of [{", ".join(sorted(choices))}]')

    return rule


def whole_number(*, least: int, most: int | None = None) -> Rule:
    """A rule: the value is a whole number within the bounds, both inclusive."""

    def rule(name: str, value: str) -> None:
        if not re.fullmatch(r"-?[0-9]{1,15}(\.0+)?", value):
            raise bad_request(f'"{name}" must be an integer')
        if parse_number(value) < least:
            raise bad_request(f'"{name}" must be larger than or equal to {least}')
        if most is not None and parse_number(value) > most:
            raise bad_request(f'"{name}" must be less than or equal to {most}')

    return rule


def an_instant(name: str, value: str) -> None:
    """A rule: the value is Unix seconds or ISO 8601."""
    try:
        parse_instant(value)
    except (ValueError, OverflowError, OSError):
        raise bad_request(f'"{name}" must be a valid ISO 8601 timestamp or unix time value') from None


def parse_number(value: str) -> int:
    """A whole number, also when spelt as the official client spells it: ``10.0``."""
    return int(float(value))


def parse_instant(value: str) -> float:
    """Unix seconds or ISO 8601 (UTC where it names no zone) as seconds since 1970 UTC.

    Raises:
        ValueError, OverflowError, OSError: it is neither, or out of range.
    """
    if re.fullmatch(r"[0-9]+", value):
        return datetime.fromtimestamp(int(value), timezone.utc).timestamp()
    instant = datetime.fromisoformat(re.sub(r"Z$", "+00:00", value))
    return (instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)).timestamp()


_IN_BOTH_AUX = ("circulating_supply", "total_supply", "is_active", "is_fiat")
LATEST_AUX = frozenset((*_IN_BOTH_AUX, "num_market_pairs", "cmc_rank", "date_added", "tags", "platform", "max_supply"))
HISTORICAL_AUX = frozenset((*_IN_BOTH_AUX, "price", "volume", "market_cap", "quote_timestamp"))
MAP_AUX = frozenset(("platform", "first_historical_data", "last_historical_data", "is_active"))

_IDS = matching(r"\d+(?:,\d+)*")
_SYMBOLS = matching(r"[0-9A-Za-z$@\-]+(?:,[0-9A-Za-z$@\-]+)*")
_BOOLEAN = one_of(("true", "false"))
# Only USD is simulated.
_CURRENCY: dict[str, Rule] = {"convert": one_of(("USD",)), "convert_id": one_of(("2781",))}

LATEST: dict[str, Rule] = {
    "id": _IDS,
    "slug": matching(r"[0-9a-z-]+(?:,[0-9a-z-]+)*"),
    "symbol": _SYMBOLS,
    "aux": some_of(LATEST_AUX),
    "skip_invalid": _BOOLEAN,
    **_CURRENCY,
}
HISTORICAL: dict[str, Rule] = {
    "id": _IDS,
    "symbol": _SYMBOLS,
    "time_start": an_instant,
    "time_end": an_instant,
    "count": whole_number(least=1, most=MAX_COUNT),
    "interval": one_of(INTERVALS),
    "aux": some_of(HISTORICAL_AUX | {"search_interval"}),
    "skip_invalid": _BOOLEAN,
    **_CURRENCY,
}
MAP: dict[str, Rule] = {
    "listing_status": some_of(("active", "inactive", "untracked")),
    "start": whole_number(least=1),
    "limit": whole_number(least=1, most=MAP_LIMIT),
    "sort": one_of(("cmc_rank", "id")),
    "symbol": _SYMBOLS,
    "aux": some_of(MAP_AUX | {"status"}),
}
KEY_INFO: dict[str, Rule] = {}

"""Binance's public market data: paths, parameters, weights and refusals; no key. Calls keep to the weight of a minute.

Endpoints, weights and codes: the documentation of Binance's spot API. Candles are half hours, with which both Tehran's
hours and those of its summers until 2022 begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from adapters._bases.errors import SourceRejected
from adapters._bases.http_adapter import BANNED, Answer, HttpAdapter, failure, json_answer, may_pass
from adapters._bases.json_values import whole
from adapters._bases.wording import one_line

# The maximum of one call.
MAX_CANDLES = 1000
KLINES_WEIGHT = 2
# The documented limit of all calls from one address.
WEIGHT_A_MINUTE = 6000
# Binance's code for a pair that it does not have.
UNKNOWN_PAIR = -1121
_WEIGHT_HEADER = "x-mbx-used-weight-1m"
_MAX_SHARE = 0.8
_MINUTE_SECONDS = 60.0
_TOO_MANY_CALLS = -1003
_PASSING_CODES = range(-1099, -999)  # of the server or the network


async def klines(
    http: HttpAdapter, pair: str, *, start: datetime, end: datetime | None = None, limit: int
) -> tuple[object, datetime]:
    """The half-hourly candles of a pair, a JSON value, and the moment, aware, up to which they are certain.

    Args:
        start, end: aware; the earliest and the latest opening of a candle.
        limit: the most candles, up to `MAX_CANDLES`.

    Raises:
        SourceRejected: code `UNKNOWN_PAIR` if there is no such pair.
        EtlError: any other failure.
    """
    # A millisecond more: whether endTime is inclusive is not documented.
    bound = {} if end is None else {"endTime": str(_milliseconds(end) + 1)}
    params = {"symbol": pair, "interval": "30m", "startTime": str(_milliseconds(start)), **bound}
    return await _get(http, "/api/v3/klines", {**params, "limit": str(limit)})


async def exchange_info(http: HttpAdapter, pair: str) -> object:
    """The exchange's description of a pair; raises as `klines` does."""
    body, _ = await _get(http, "/api/v3/exchangeInfo", {"symbol": pair})
    return body


async def _get(http: HttpAdapter, path: str, params: Mapping[str, str]) -> tuple[object, datetime]:
    def read(answer: Answer) -> tuple[object, datetime]:
        # Near the limit of the last minute: other programs behind this address call too.
        if (whole(answer.headers.get(_WEIGHT_HEADER, "")) or 0) >= WEIGHT_A_MINUTE * _MAX_SHARE:
            http.pause(_MINUTE_SECONDS)
        return _body_of(answer), http.as_of(answer)

    return await http.get(path, params, read)


def _body_of(answer: Answer) -> object:
    """An answer's JSON value; an error object is an error, regardless of the HTTP status."""
    status, body = answer.status, json_answer(answer)
    error = body if isinstance(body, dict) and "msg" in body else {}
    if status == HTTPStatus.OK and not error:
        return body
    code, text = whole(error.get("code")), one_line(str(error.get("msg", "")))
    if code == _TOO_MANY_CALLS and status != BANNED:
        status = HTTPStatus.TOO_MANY_REQUESTS
    passes = may_pass(status) or (status == HTTPStatus.OK and code in _PASSING_CODES)
    if code == UNKNOWN_PAIR and not passes:
        raise SourceRejected("Binance has no such pair", next_step="see BINANCE_PAIRS", status=status, code=code)
    refused = "check BINANCE_BASE_URL; if it is right, the API has changed"
    raise failure("Binance", status, text, code=code, passes=passes, refused=refused)


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000

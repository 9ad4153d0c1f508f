"""Faults of whole answers: refusals, and bodies that are not what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from sandbox import bodies
from sandbox.answer import Answer
from sandbox.api_error import ApiError, known_error
from sandbox.endpoints import refusal
from sandbox.fault_queue import Fault

_BLOCK_PAGE = b"""<!DOCTYPE html>
<html><head><title>Access denied | used Cloudflare to restrict access</title></head>
<body><h1>Access denied</h1><p>The owner of this website has banned your access.</p></body></html>
"""
_JUNK_STATUS = "not a status"


def refused(
    code: int, *, status: int | None = None, as_text: bool = False, retry_after_seconds: int | None = None
) -> Fault:
    """A refusal with one of the source's codes: 1001 to 1011, 1022 (keyless), 500.

    Args:
        code: the error code.
        status: the HTTP status; None is the code's own. 200 hides the refusal in an ordinary answer.
        as_text: whether the code comes as a string, as at some endpoints.
        retry_after_seconds: sent as Retry-After; None sends none.
    """

    def alter(_: Answer, now: datetime) -> Answer:
        known = known_error(code)
        shown = ApiError(status or known.status, str(code) if as_text else known.code, known.message)
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        return Answer(shown.status, refusal(shown, now), headers=headers)

    return Fault(f"refused {code}", alter)


def busy_keyless() -> Fault:
    """The other face of the keyless limit: HTTP 500 with code 500."""

    def alter(_: Answer, now: datetime) -> Answer:
        return Answer(500, refusal(ApiError(500, 500, "The system is busy, please try again later!"), now))

    return Fault("keyless busy", alter)


def gateway_error(status: int = 503) -> Fault:
    """A failure of the machines before the source: this status, and no body at all."""
    return Fault(f"gateway error {status}", lambda *_: Answer(status, {}, text=b"", headers={"Content-Type": ""}))


def html_page(status: int = 200) -> Fault:
    """A page of HTML in place of JSON, with any status (200, 403 and 502 are seen)."""
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return Fault(f"HTML page {status}", lambda *_: Answer(status, {}, text=_BLOCK_PAGE, headers=headers))


def plain_body(text: bytes) -> Fault:
    """Any bytes in place of the JSON, with status 200 and a JSON content type."""
    return Fault("plain body", lambda *_: Answer(200, {}, text=text))


def json_body(document: bodies.JsonObject, *, status: int = 200) -> Fault:
    """Any document in place of the answer."""
    return Fault("JSON body", lambda *_: Answer(status, document))


def text_code() -> Fault:
    """The honest answer with its error code as a string."""

    def alter(answer: Answer, _: datetime) -> Answer:
        shown = answer.document["status"]
        return replace(
            answer, document={**answer.document, "status": {**shown, "error_code": str(shown["error_code"])}}
        )

    return Fault("error code as text", alter)


def empty_data() -> Fault:
    """A successful answer without a coin: an empty list or object, as the endpoint has it."""

    def alter(answer: Answer, _: datetime) -> Answer:
        empty = type(answer.document.get("data", []))()
        return replace(answer, document={**answer.document, "data": empty})

    return Fault("empty data", alter)


def no_data() -> Fault:
    """A successful answer whose ``data`` is missing."""
    return Fault("no data", lambda answer, _: replace(answer, document={"status": answer.document["status"]}))


def truncated_json() -> Fault:
    """The first half of the honest JSON, as a complete HTTP answer."""

    def alter(answer: Answer, _: datetime) -> Answer:
        text = json.dumps(answer.document).encode()
        return replace(answer, text=text[: len(text) // 2])

    return Fault("truncated JSON", alter)


def wrong_types() -> Fault:
    """Well-formed JSON of which no part has its documented type."""
    document = {"status": _JUNK_STATUS, "data": {"1": 7, "1027": "text", "5426": [None, True]}}
    return Fault("wrong types", lambda *_: Answer(200, document))

"""All the ways to spoil an answer of the source: refusals, odd bodies, single coins, and the connection itself.

``source.faults.push(faults.null_price(1))`` spoils the next answer. Faults of a coin are the same for quotes/latest and
historical, and leave the rest of the answer honest.
"""

from __future__ import annotations

import copy
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.coin_market_cap import JsonObject, refusal
from sandbox.market import iso
from sandbox.server import Answer
from tests.support.faulty_source import Fault
from tests.support.spoilt_answer import Delivery, SpoiltAnswer, Wire

_MEGABYTE = 1_000_000
_REFUSALS = {
    1001: (401, "This API Key is invalid."),
    1002: (401, "API key missing."),
    1003: (402, "Your API Key must be activated. Please go to pro.coinmarketcap.com/account/plan."),
    1004: (402, "Your API Key's subscription plan has expired."),
    1005: (403, "An API Key is required for this call."),
    1006: (403, "Your API Key subscription plan doesn't support this endpoint."),
    1007: (403, "This API Key has been disabled. Please contact support."),
    1008: (429, "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute."),
    1009: (429, "You've exceeded your API Key's daily rate limit."),
    1010: (429, "You've exceeded your API Key's monthly rate limit."),
    1011: (429, "You've hit an IP rate limit."),
    500: (500, "An internal server error occurred"),
}
"""The source's codes, each with its HTTP status and message."""
_ANONYMOUS_LIMIT = (
    "You've reached the limit for anonymous access. Sign in to activate a free API plan or upgrade for higher limits."
)

_BLOCK_PAGE = b"""<!DOCTYPE html>
<html><head><title>Access denied | used Cloudflare to restrict access</title></head>
<body><h1>Access denied</h1><p>The owner of this website has banned your access.</p></body></html>
"""
_JUNK_STATUS = "not a status"


def refused(
    code: int, *, status: int | None = None, as_text: bool = False, retry_after_seconds: int | None = None
) -> Fault:
    """A refusal with one of the source's codes: 1001 to 1011, 500.

    Args:
        code: the error code.
        status: the HTTP status; None is the code's own. 200 hides the refusal in an ordinary answer.
        as_text: whether the code comes as a string, as at some endpoints.
        retry_after_seconds: sent as Retry-After; None sends none.
    """

    def alter(_: Answer, now: datetime) -> Answer:
        usual, message = _REFUSALS[code]
        refused = refusal(status or usual, str(code) if as_text else code, message, now)
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        return SpoiltAnswer(refused.status, refused.document, headers=headers)

    return Fault(f"refused {code}", alter)


def keyless_limit() -> Fault:
    """The limit of anonymous access, as recorded: the code is text, and `elapsed` is missing."""

    def alter(_: Answer, now: datetime) -> Answer:
        answer = refusal(429, "1022", _ANONYMOUS_LIMIT, now)
        del answer.document["status"]["elapsed"]
        return answer

    return Fault("keyless limit", alter)


def busy_keyless() -> Fault:
    """The other form of the keyless limit: HTTP 500 with code 500."""
    return Fault("keyless busy", lambda _, now: refusal(500, 500, "The system is busy, please try again later!", now))


def gateway_error(status: int = 503) -> Fault:
    """A failure of the machines before the source: this status, and no body at all."""
    return Fault(f"gateway error {status}", lambda *_: SpoiltAnswer(status, {}, text=b"", headers={"Content-Type": ""}))


def html_page(status: int = 200) -> Fault:
    """A page of HTML in place of JSON, with any status (200, 403 and 502 are seen)."""
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return Fault(f"HTML page {status}", lambda *_: SpoiltAnswer(status, {}, text=_BLOCK_PAGE, headers=headers))


def plain_body(text: bytes) -> Fault:
    """Any bytes in place of the JSON, with status 200 and a JSON content type."""
    return Fault("plain body", lambda *_: SpoiltAnswer(200, {}, text=text))


def json_body(document: JsonObject, *, status: int = 200) -> Fault:
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
        return SpoiltAnswer(answer.status, answer.document, answer.credits, text=text[: len(text) // 2])

    return Fault("truncated JSON", alter)


def wrong_types() -> Fault:
    """Well-formed JSON of which no part has its documented type."""
    document = {"status": _JUNK_STATUS, "data": {"1": 7, "1027": "text", "5426": [None, True]}}
    return Fault("wrong types", lambda *_: Answer(200, document))


def null_price(coin_id: int) -> Fault:
    """The coin is there, its price is null."""
    return odd_price(coin_id, None)


def odd_price(coin_id: int, price: Any) -> Fault:
    """Any value as the coin's price: infinite, zero, negative, tiny, huge, a text."""
    return _each_quote(f"price {price!r}", coin_id, lambda quote: quote.update(price=price))


def odd_fields(coin_id: int, **values: Any) -> Fault:
    """Any values in fields of the coin or of its quotes, wherever it has them."""

    def spoil(coin: JsonObject) -> None:
        for part in (coin, *_quotes(coin)):
            part.update({name: value for name, value in values.items() if name in part})

    return _each_coin(f"odd {', '.join(values)}", coin_id, spoil)


def frozen_quote(coin_id: int, updated_at: datetime) -> Fault:
    """The coin was last updated at that aware instant: before its death, or in the future."""

    def spoil(coin: JsonObject) -> None:
        stamp = iso(updated_at.timestamp())
        for part in (coin, *_quotes(coin)):
            if "last_updated" in part:
                part["last_updated"] = stamp
        for row in coin.get("quotes", ()):
            row["timestamp"] = stamp
            row["quote"]["USD"]["timestamp"] = stamp

    return _each_coin("frozen quote", coin_id, spoil)


def renamed(coin_id: int, symbol: str, *, name: str = "Renamed (simulated)") -> Fault:
    """The id is the coin's, symbol and name are another's."""
    return _each_coin("renamed", coin_id, lambda coin: coin.update(symbol=symbol, name=name))


def left_out(coin_id: int) -> Fault:
    """The coin is silently missing."""
    return _coin_list("left out", lambda coins: [coin for coin in coins if coin["id"] != coin_id])


def duplicated(coin_id: int) -> Fault:
    """The coin (its quotes, where the data is keyed by id) is there twice, the second time 1 % dearer."""

    def twice(coins: list[JsonObject]) -> list[JsonObject]:
        return coins + [_dearer(coin) for coin in coins if coin["id"] == coin_id]

    def alter(answer: Answer, now: datetime) -> Answer:
        data = answer.document.get("data")
        if isinstance(data, list):
            return _coin_list("", twice).alter(answer, now)
        return _each_coin("", coin_id, lambda coin: coin["quotes"].extend(_dearer(coin)["quotes"])).alter(answer, now)

    return Fault("duplicated", alter)


def _dearer(coin: JsonObject) -> JsonObject:
    changed = copy.deepcopy(coin)
    for quote in _quotes(changed):
        quote["price"] *= 1.01
    return changed


def _each_quote(name: str, coin_id: int, spoil: Callable[[JsonObject], None]) -> Fault:
    def spoil_coin(coin: JsonObject) -> None:
        for quote in _quotes(coin):
            spoil(quote)

    return _each_coin(name, coin_id, spoil_coin)


def _each_coin(name: str, coin_id: int, spoil: Callable[[JsonObject], None]) -> Fault:
    def change(coins: list[JsonObject]) -> list[JsonObject]:
        for coin in coins:
            if coin["id"] == coin_id:
                spoil(coin)
        return coins

    return _coin_list(name, change)


def _coin_list(name: str, change: Callable[[list[JsonObject]], list[JsonObject]]) -> Fault:
    """A fault that changes the coins of an answer; a refusal, which has none, is left as it is."""

    def alter(answer: Answer, _: datetime) -> Answer:
        document = copy.deepcopy(answer.document)
        data = document.get("data")
        if isinstance(data, list):
            document["data"] = change(data)
        elif isinstance(data, dict):
            document["data"] = {str(coin["id"]): coin for coin in change(list(data.values()))}
        return replace(answer, document=document)

    return Fault(name, alter)


def _quotes(coin: JsonObject) -> Iterator[JsonObject]:
    """The parts of a coin that hold a price: of ``quote`` (latest) or ``quotes`` (historical)."""
    yield from coin.get("quote", ())
    for row in coin.get("quotes", ()):
        yield from row["quote"].values()


def reset_in_body() -> Fault:
    """The connection is reset when half of the body is sent."""

    def deliver(wire: Wire, head: bytes, body: bytes) -> None:
        wire.send(head + body[: len(body) // 2])
        wire.reset()

    return Fault("reset in the body", _delivered(deliver))


def hang() -> Fault:
    """Nothing is sent until the fault is released; then the honest answer."""
    reached, released = threading.Event(), threading.Event()

    def deliver(wire: Wire, head: bytes, body: bytes) -> None:
        reached.set()
        released.wait()
        wire.send(head + body)

    return Fault("hang", _delivered(deliver), reached, released)


def slow_drip(*, pause_seconds: float = 0.02) -> Fault:
    """The honest answer, one byte at a time with a pause after each, until released; then the rest at once.

    Each byte comes well within any read time-out; only a limit on the whole call ends it.
    """
    reached, released = threading.Event(), threading.Event()

    def deliver(wire: Wire, head: bytes, body: bytes) -> None:
        wire.send(head)
        for sent in range(len(body)):
            if released.is_set():
                wire.send(body[sent:])
                return
            wire.send(body[sent : sent + 1])
            reached.set()
            released.wait(pause_seconds)

    return Fault("slow drip", _delivered(deliver), reached, released)


def huge_body(*, megabytes: int = 100, declared: bool = False) -> Fault:
    """A well-formed JSON body of that many megabytes, streamed.

    Args:
        megabytes: its size.
        declared: whether Content-Length says so beforehand; else the end of the connection ends it.
    """
    opening, closing = b'{"data":[', b"]}"
    headers = {"Connection": "close", "Content-Encoding": "", "Content-Length": ""}
    if declared:
        headers["Content-Length"] = str(len(opening) + megabytes * _MEGABYTE + len(closing))

    def deliver(wire: Wire, head: bytes, _: bytes) -> None:
        wire.send(head + opening)
        for piece in _blanks(megabytes):
            wire.send(piece)
        wire.send(closing)

    return Fault("huge body", lambda *_: SpoiltAnswer(200, {}, text=b"", headers=headers, deliver=deliver))


def gzip_bomb(*, megabytes: int = 100) -> Fault:
    """A small gzip body (a thousandth) that unpacks to that many megabytes of blanks in well-formed JSON."""

    def alter(_: Answer, __: datetime) -> Answer:
        packer = zlib.compressobj(level=9, wbits=31)
        parts = [packer.compress(b'{"data":[')]
        parts += [packer.compress(piece) for piece in _blanks(megabytes)]
        parts += [packer.compress(b"]}"), packer.flush()]
        return SpoiltAnswer(200, {}, text=b"".join(parts), headers={"Content-Encoding": "gzip"})

    return Fault("gzip bomb", alter)


def redirect(location: str, *, status: int = 302) -> Fault:
    """A redirect to another address, such as another stand-in's, which would tell whether the key followed."""
    headers = {"Location": location}
    return Fault("redirect", lambda *_: SpoiltAnswer(status, {}, text=b"", headers=headers))


def _delivered(deliver: Delivery) -> Callable[[Answer, datetime], Answer]:
    """Makes of an honest answer the same one, sent in another way."""
    return lambda answer, _: SpoiltAnswer(answer.status, answer.document, answer.credits, deliver=deliver)


def _blanks(megabytes: int) -> Iterator[bytes]:
    piece = b" " * _MEGABYTE
    for _ in range(megabytes):
        yield piece

"""All the ways to spoil an answer of the source: refusals, odd bodies, single coins, and the connection itself.

``source.faults.push(faults.left_out(1))`` spoils the next answer. Faults of a coin are the same for quotes/latest and
historical, and leave the rest of the answer honest.
"""

from __future__ import annotations

import copy
import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from sandbox.coin_market_cap import JsonObject, refusal
from sandbox.server import JSON_TYPE, Answer
from tests.support.faulty_source import Fault, FaultySource
from tests.support.installation import Installation, Running

# The source's codes, each with its HTTP status and message.
_REFUSALS = {
    1001: (401, "This API Key is invalid."),
    1003: (402, "Your API Key must be activated. Please go to pro.coinmarketcap.com/account/plan."),
    1008: (429, "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute."),
    1010: (429, "You've exceeded your API Key's monthly rate limit."),
    500: (500, "The system is busy, please try again later!"),
}
_BLOCK_PAGE = b"""<!DOCTYPE html>
<html><head><title>Access denied | used Cloudflare to restrict access</title></head>
<body><h1>Access denied</h1><p>The owner of this website has banned your access.</p></body></html>
"""

Delivery = Callable[[socket.socket, bytes, bytes], None]
"""Called with the connection, the head and the body; sends as much of both as it likes."""


@dataclass(frozen=True)
class SpoiltAnswer(Answer):
    text: bytes | None = None  # in place of the document
    headers: Mapping[str, str] = field(default_factory=dict)  # in place of the usual ones; empty: without it
    deliver: Delivery = lambda connection, head, body: connection.sendall(head + body)

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps(self.document).encode() if self.text is None else self.text
        usual = {"Date": handler.date_time_string(), "Content-Type": JSON_TYPE, "Content-Length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in {**usual, **self.headers}.items() if value]
        self.deliver(handler.connection, "\r\n".join([*lines, "", ""]).encode("latin-1"), body)
        if handler.connection.fileno() == -1 or self.headers.get("Connection") == "close":
            handler.close_connection = True


def refused(code: int, *, status: int | None = None, retry_after_seconds: int | None = None) -> Fault:
    """A refusal with one of the source's codes; the status 200 hides it in an ordinary answer."""

    def alter(_: Answer, now: datetime) -> Answer:
        usual, message = _REFUSALS[code]
        refused = refusal(status or usual, code, message, now)
        headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
        return SpoiltAnswer(refused.status, refused.document, headers=headers)

    return Fault(f"refused {code}", alter)


def _spoilt(name: str, status: int, headers: Mapping[str, str], text: bytes = b"") -> Fault:
    return Fault(name, lambda *_: SpoiltAnswer(status, {}, text=text, headers=headers))


def gateway_error(status: int = 503) -> Fault:
    """A failure of the machines before the source: this status, and no body at all."""
    return _spoilt(f"gateway error {status}", status, {"Content-Type": ""})


def html_page(status: int) -> Fault:
    return _spoilt(f"HTML page {status}", status, {"Content-Type": "text/html; charset=utf-8"}, _BLOCK_PAGE)


def redirect(location: str) -> Fault:
    """A redirect to another address, such as another stand-in's, which would tell whether the key followed."""
    return _spoilt("redirect", 302, {"Location": location})


def json_body(document: JsonObject, *, status: int) -> Fault:
    return Fault("JSON body", lambda *_: Answer(status, document))


def _changed(name: str, change: Callable[[JsonObject], object]) -> Fault:
    def alter(answer: Answer, _: datetime) -> Answer:
        document = copy.deepcopy(answer.document)
        change(document)
        return replace(answer, document=document)

    return Fault(name, alter)


def empty_data() -> Fault:
    """A successful answer without a coin: an empty list or object, as the endpoint has it."""
    return _changed("empty data", lambda found: found["data"].clear())


def odd_price(coin_id: int, price: Any) -> Fault:
    """Any value as the coin's price: null, infinite, zero, negative, tiny, huge, a text."""
    return replace(odd_fields(coin_id, price=price), name=f"price {price!r}")


def odd_fields(coin_id: int, **values: Any) -> Fault:
    """Any values in fields of the coin or of its quotes, wherever it has them."""

    def change(document: JsonObject) -> None:
        for coin in _coins(document, coin_id):
            for part in (coin, *_quotes(coin)):
                part.update({name: value for name, value in values.items() if name in part})

    return _changed(f"odd {', '.join(values)}", change)


def left_out(coin_id: int) -> Fault:
    return _changed(
        "left out", lambda found: found.update(data=[coin for coin in found["data"] if coin["id"] != coin_id])
    )


def duplicated(coin_id: int) -> Fault:
    """The coin is in the list of latest quotes twice, the second time 1 % dearer."""

    def change(document: JsonObject) -> None:
        (coin,) = copy.deepcopy(_coins(document, coin_id))
        coin["quote"][0]["price"] *= 1.01
        document["data"].append(coin)

    return _changed("duplicated", change)


def _coins(document: JsonObject, coin_id: int) -> list[JsonObject]:
    data = document.get("data", [])
    return [coin for coin in (data.values() if isinstance(data, dict) else data) if coin["id"] == coin_id]


def _quotes(coin: JsonObject) -> Iterator[JsonObject]:
    """The parts of a coin that hold a price: of ``quote`` (latest) or ``quotes`` (historical)."""
    yield from coin.get("quote", ())
    for row in coin.get("quotes", ()):
        yield from row["quote"].values()


def reset_in_body() -> Fault:
    """The connection is reset when half of the body is sent."""

    def deliver(connection: socket.socket, head: bytes, body: bytes) -> None:
        connection.sendall(head + body[: len(body) // 2])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Handler and server hold references that would keep the descriptor open: give it a socket of its own.
        socket.socket(fileno=connection.detach()).close()

    return _delivered("reset in the body", deliver)


def hang() -> Fault:
    """Nothing is sent until the fault is released; then the honest answer."""

    def deliver(connection: socket.socket, head: bytes, body: bytes) -> None:
        fault.reached.set()
        fault.released.wait()
        connection.sendall(head + body)

    fault = _delivered("hang", deliver)
    return fault


def hung(program: Installation, source: FaultySource, *arguments: str) -> tuple[Running, Fault]:
    """A job that asks the source, with the fault in which that hangs until it is released."""
    fault = source.faults.push(hang(), path="/quotes/historical" if arguments else "/quotes/latest")
    job = program.start_job(*arguments)
    fault.wait()
    return job, fault


def slow_drip() -> Fault:
    """The honest answer, one byte at a time with a pause after each, until released; then the rest at once.

    Each byte comes well within any read time-out; only a limit on the whole call ends it.
    """

    def deliver(connection: socket.socket, head: bytes, body: bytes) -> None:
        connection.sendall(head)
        for sent in range(len(body)):
            if fault.released.wait(0.02):
                connection.sendall(body[sent:])
                return
            connection.sendall(body[sent : sent + 1])

    fault = _delivered("slow drip", deliver)
    return fault


def _delivered(name: str, deliver: Delivery) -> Fault:
    return Fault(name, lambda answer, _: SpoiltAnswer(answer.status, answer.document, deliver=deliver))

"""Faults of the connection: resets, hangs, drips, floods, and a redirect elsewhere."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sandbox.answer import Answer, Wire
from sandbox.fault_queue import Fault

_MEGABYTE = 1_000_000


def reset_before_answer() -> Fault:
    """The connection is reset after the request was read, before a byte of the answer."""
    return Fault("reset before the answer", lambda answer, _: replace(answer, deliver=lambda wire, *_: wire.reset()))


def reset_in_body() -> Fault:
    """The connection is reset when half of the body is sent."""

    def deliver(wire: Wire, head: bytes, body: bytes) -> None:
        wire.send(head + body[: len(body) // 2])
        wire.reset()

    return Fault("reset in the body", lambda answer, _: replace(answer, deliver=deliver))


def hang() -> Fault:
    """Nothing is sent until the fault is released; then the honest answer."""
    reached, released = threading.Event(), threading.Event()

    def deliver(wire: Wire, head: bytes, body: bytes) -> None:
        reached.set()
        released.wait()
        wire.send(head + body)

    return Fault("hang", lambda answer, _: replace(answer, deliver=deliver), reached, released)


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

    return Fault("slow drip", lambda answer, _: replace(answer, deliver=deliver), reached, released)


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

    return Fault("huge body", lambda *_: Answer(200, {}, text=b"", headers=headers, deliver=deliver))


def gzip_bomb(*, megabytes: int = 100) -> Fault:
    """A small gzip body (a thousandth) that unpacks to that many megabytes of blanks in well-formed JSON."""

    def alter(_: Answer, __: datetime) -> Answer:
        packer = zlib.compressobj(level=9, wbits=31)
        parts = [packer.compress(b'{"data":[')]
        parts += [packer.compress(piece) for piece in _blanks(megabytes)]
        parts += [packer.compress(b"]}"), packer.flush()]
        return Answer(200, {}, text=b"".join(parts), headers={"Content-Encoding": "gzip"})

    return Fault("gzip bomb", alter)


def redirect(location: str, *, status: int = 302) -> Fault:
    """A redirect to another address, such as another stand-in's, which would tell whether the key followed."""
    headers = {"Location": location}
    return Fault("redirect", lambda *_: Answer(status, {}, text=b"", headers=headers))


def _blanks(megabytes: int) -> Iterator[bytes]:
    piece = b" " * _MEGABYTE
    for _ in range(megabytes):
        yield piece

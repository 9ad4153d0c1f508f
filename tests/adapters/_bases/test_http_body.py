"""Bodies within bounds."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._bases.errors import ContractError, EtlError, SourceRejected, SourceUnavailable
from adapters._bases.http_adapter import Answer, json_answer, read_body

WHERE = "host/path"


def body_of(*pieces: bytes, encoding: str = "", max_bytes: int = 1000) -> bytes:
    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return asyncio.run(read_body(arriving(), where=WHERE, encoding=encoding, max_bytes=max_bytes))


@given(st.binary(max_size=900), st.integers(1, 50))
def test_compressed_body_comes_out_unchanged(content: bytes, size: int) -> None:
    """Cut into any pieces or members; an encoding that compresses nothing is ignored."""
    members = gzip.compress(content[:size]) + gzip.compress(content[size:])
    forms = {"gzip": gzip.compress(content), "gzip, utf-8": members, "Deflate": zlib.compress(content)}
    for encoding, packed in (*forms.items(), *((name, content) for name in ("", "identity", "UTF-8", "none"))):
        pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
        assert body_of(*pieces, encoding=encoding) == content


def test_limit_is_the_largest_size_accepted() -> None:
    for encoding, pack in (("", bytes), ("gzip", gzip.compress)):
        assert body_of(pack(b"x" * 1000), encoding=encoding) == b"x" * 1000
        with pytest.raises(ContractError, match="1000 bytes"):
            body_of(pack(b"x" * 1001), encoding=encoding)


def test_gzip_bomb_takes_no_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(ContractError, match="size limit"):
        body_of(bomb, encoding="gzip", max_bytes=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_data_after_the_end_mark_count() -> None:
    """An endless tail behind a small gzip body meets the limit as well, in members or not."""
    for tail in (b"x" * 2000, gzip.compress(b"x" * 999), gzip.compress(b"") * 100):
        with pytest.raises(ContractError, match="size limit"):
            body_of(gzip.compress(b"{}"), tail, encoding="gzip")


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd"])
def test_encoding_that_was_not_requested_is_named(encoding: str) -> None:
    with pytest.raises(ContractError, match=f"{encoding}, which was not requested; probably by a proxy") as caught:
        body_of(b"", encoding=encoding)
    assert "HTTPS_PROXY" in caught.value.next_step


def test_garbled_or_truncated_gzip_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="garbled"):
        body_of(b"not gzip at all", encoding="gzip")
    with pytest.raises(SourceUnavailable, match="truncated"):
        body_of(gzip.compress(b"x" * 500)[:-9], encoding="gzip")


@pytest.mark.parametrize(
    ("status", "content", "kind", "words"),
    [
        (200, b"<html>", SourceUnavailable, r"gives no usable answer \(HTTP 200\): an HTML page instead of JSON"),
        (200, b'{"data": [', SourceUnavailable, "truncated JSON"),
        (200, b"", SourceUnavailable, "an empty body"),
        (200, b"OK", SourceUnavailable, "a text"),
        (200, b"\xff\xfe\xff", SourceUnavailable, "a text"),
        (200, b"[" * 200_000, SourceUnavailable, "truncated JSON"),
        (403, b"<!DOCTYPE html>", SourceUnavailable, "a gatekeeper such as Cloudflare"),
        (429, b"slow down", SourceUnavailable, "HTTP 429"),
        (502, b"<html>", SourceUnavailable, "HTTP 502"),
        (404, b"<html>", SourceRejected, "HTTP 404"),
        (400, b"", SourceRejected, "HTTP 400"),
    ],
)
def test_answer_that_is_not_json_is_named_and_classified(
    status: int, content: bytes, kind: type[EtlError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        json_answer(Answer(WHERE, status, content, {}, datetime.now(timezone.utc)))
    assert caught.value.message.startswith(WHERE)

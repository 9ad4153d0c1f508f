"""Calls by way of a proxy that the environment names, over real sockets."""

from __future__ import annotations

import gc
import socket
from datetime import datetime, timezone

import pytest

from adapters._bases.errors import ConfigurationError, SourceUnavailable
from adapters._bases.http_adapter import HttpAdapter, read_json
from adapters._bases.retry import RetryPolicy
from tests.support.odd_ports import answering, hanging_up, port_of

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def adapter(base_url: str) -> HttpAdapter:
    return HttpAdapter(
        base_url=base_url,
        headers={},
        timeout_seconds=5,
        retry=RetryPolicy(attempts=1),
        clock=lambda: datetime(2026, 11, 23, 12, tzinfo=timezone.utc),
    )


@pytest.mark.parametrize(("name", "scheme"), [("ALL_PROXY", "socks5"), ("http_proxy", "socks5h")])
async def test_call_goes_to_a_socks_proxy(monkeypatch: pytest.MonkeyPatch, name: str, scheme: str) -> None:
    """By RFC 1928: a greeting without a password, and a request for the host by its name."""
    heard = bytearray()

    def serve(connection: socket.socket) -> None:
        for reply in (b"\x05\x00", b"\x05\x00\x00\x01" + bytes(6)):
            heard.extend(connection.recv(100))
            connection.sendall(reply)
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1")(connection)

    with port_of(serve) as port:
        monkeypatch.setenv(name, f"{scheme}://127.0.0.1:{port}")
        async with adapter("http://prices.example") as door:
            assert await door.get("/price", {}, read_json) == 1
    assert heard.startswith(b"\x05\x01\x00\x05\x01\x00\x03\x0eprices.example")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # httpcore leaves its socket open
async def test_socks_proxy_that_hangs_up_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with port_of(hanging_up) as port:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        async with adapter("http://prices.example") as door:
            with pytest.raises(SourceUnavailable, match="in ALL_PROXY"):
                await door.get("/price", {}, read_json)
    gc.collect()


@pytest.mark.parametrize(
    ("name", "proxy"), [("ALL_PROXY", "socks5://127.0.0.1:1"), ("http_proxy", "http://127.0.0.1:1")]
)
async def test_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, name: str, proxy: str) -> None:
    """By its variable, without its address, which may hold a password."""
    monkeypatch.setenv(name, proxy.replace("//", "//me:secret-word@"))
    async with adapter("http://prices.example") as door:
        with pytest.raises(SourceUnavailable) as caught:
            await door.get("/price", {}, read_json)
    assert f"(via the proxy in {name}): it cannot be reached" in caught.value.message
    assert "secret-word" not in caught.value.message + caught.value.next_step


async def test_host_in_no_proxy_is_not_reported_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with adapter("http://127.0.0.1:1") as door:
        with pytest.raises(SourceUnavailable) as caught:
            await door.get("/price", {}, read_json)
    assert "proxy in" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("https_proxy", "socks4://127.0.0.1:1080"),
        *(("ALL_PROXY", value) for value in ("socks://127.0.0.1:1080", "ftp://h:1", "http://h:port")),
        *((name, "localhost,fd00::/8") for name in ("NO_PROXY", "no_proxy")),
    ],
)
def test_unreadable_proxy_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """With its value unseen, which may hold a password."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        adapter("https://prices.example")
    assert caught.value.message.endswith(f" in {name}")
    assert value not in caught.value.message

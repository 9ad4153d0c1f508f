"""The one door to HTTP: nothing else imports httpx, and it is loaded when an adapter is made.

It owns what every service shares: one connection pool, time and size limits, the retry policy, the count of calls, and
the translation of whatever goes wrong into the tree of `adapters._bases.errors`. What an answer means is the service's
business, unless the ordinary HTTP statuses say it all.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import zlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, nullcontext
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from ipaddress import AddressValueError, IPv6Address
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from adapters._bases.errors import (
    ConfigurationError,
    ContractError,
    EtlError,
    RetryableError,
    SourceRejected,
    SourceUnavailable,
)
from adapters._bases.json_values import json_value
from adapters._bases.network_causes import (
    causes,
    has_no_tls,
    is_denied_name,
    is_untrusted,
    speaks_tls,
)
from adapters._bases.retry import RetryPolicy

if TYPE_CHECKING:
    import httpx

_HOST = re.compile(r"(?:[a-z]+://)?[A-Za-z0-9._*-]+(?::\d{1,5}|/\d{1,2})?")
_PROXY = re.compile(r"(?:(?:https?|socks5h?)://)?(?:[^/@\s]*@)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?/?")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](:\d{1,5})?")


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds to wait by ``Retry-After`` (RFC 9110, 10.2.3), at least 0, None when absent or unreadable.

    Args:
        headers: with names in lower case, or ignoring case.
        now: aware. A date counts from the answer's own ``Date`` header where there is one, so that a wrong clock on
            this host does not change the wait; else from this.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        until = moment(value)
        if until is None:
            return None
        seconds = (until - (moment(headers.get("date", "")) or now)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def moment(text: str) -> datetime | None:
    """The instant that a header such as ``Date`` names; None where it cannot be read."""
    try:
        named = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # "-0000" is the one zone that is read as naive; it still counts from UTC.
    return named if named.tzinfo is not None else named.replace(tzinfo=timezone.utc)


_OK = 200
_FORBIDDEN = 403
_TRY_LATER = "try again later"
_CHECK_NETWORK = f"{_TRY_LATER}; if it stays so, check this machine's network, proxy and firewall"
_CHECK_ADDRESS = "check the base URL in the settings"


class Answer(NamedTuple):
    """What a service answered.

    Attributes:
        where: host and path of the question, for messages.
        status: the HTTP status.
        content: the whole body, decompressed.
        headers: ignoring case.
    """

    where: str
    status: int
    content: bytes
    headers: Mapping[str, str] = MappingProxyType({})


def may_pass(status: int) -> bool:
    """Whether a failure with this HTTP status may be temporary: RFC 9110, 8470 (425), 6585 (429)."""
    return status in (408, 425, 429) or 500 <= status <= 599  # noqa: PLR2004 - HTTP's own numbers


def plain_json(answer: Answer) -> object:
    """The JSON value of an answer that is good by its HTTP status.

    Raises:
        SourceUnavailable: a status that may pass, or what `json_answer` raises it for.
        SourceRejected: any other status than 200.
    """
    value = json_answer(answer)
    failed = f"{answer.where}: HTTP {answer.status}"
    if may_pass(answer.status):
        raise SourceUnavailable(failed, next_step=_TRY_LATER, status=answer.status)
    if answer.status != _OK:
        next_step = "check in the settings what is asked for, and the base URL"
        raise SourceRejected(f"{failed}, the question is refused", next_step=next_step, status=answer.status)
    return value


def json_answer(answer: Answer) -> object:
    """The JSON value of an answer, whatever its status.

    Raises:
        SourceUnavailable: not JSON, perhaps for a while only (an overloaded server's page, a body cut short).
        SourceRejected: not JSON, and a status that says the address or the question is wrong.
    """
    where, status, content, _ = answer
    try:
        return json_value(content)
    except (ValueError, RecursionError) as exc:
        found = f"{where}: HTTP {status} with {_nature(content)} instead of JSON"
        # 403 as a page of HTML is Cloudflare's, made before the service is reached.
        if 400 <= status <= 499 and status != _FORBIDDEN and not may_pass(status):  # noqa: PLR2004 - HTTP's own numbers
            raise SourceRejected(found, next_step=_CHECK_ADDRESS, status=status) from exc
        sender = ": from a gatekeeper such as Cloudflare, not from the service" if status == _FORBIDDEN else ""
        raise SourceUnavailable(f"{found}{sender}", next_step=_TRY_LATER, status=status) from exc


def _nature(content: bytes) -> str:
    start = content[:64].strip()
    if not start:
        return "an empty body"
    if start.startswith(b"<"):
        return "a page of HTML"
    return "JSON that breaks off" if start[:1] in (b"{", b"[") else "a text"


_PLAIN = frozenset({"", "identity"})
_ZIPPED = frozenset({"gzip", "x-gzip", "deflate"})


class BoundedBody:
    """A body that grows piece by piece, at most to its bound, before and after decompression.

    httpx's own decoding does not do: it unpacks a piece before it can be measured (64 KiB of gzip may hold 64 MB),
    takes gzip that breaks off for whole, and follows chains of encodings, each of which multiplies.

    Args:
        where: host and path of the question, for messages.
        content_encoding: the header of that name; gzip, deflate or none.
        max_bytes: the most that the body may hold, before and after decompression.

    Raises:
        ContractError: an encoding that was not asked for.
    """

    def __init__(self, *, where: str, content_encoding: str, max_bytes: int) -> None:
        encoding = content_encoding.strip().lower()
        if encoding not in _PLAIN | _ZIPPED:
            raise ContractError(f"{where}: the answer is compressed in a way that was not asked for")
        # 32 added to the window size: zlib tells gzip and deflate apart by itself.
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in _ZIPPED else None
        self._where = where
        self._max_bytes = max_bytes
        self._received = 0
        self._body = bytearray()

    def add(self, piece: bytes) -> None:
        """Append the next piece as it came from the network.

        Raises:
            ContractError: the bound is passed.
            SourceUnavailable: the compressed data are garbled.
        """
        self._received += len(piece)
        if self._received <= self._max_bytes:
            self._body += self._inflated(piece)
        if max(self._received, len(self._body)) > self._max_bytes:
            raise ContractError(
                f"{self._where}: the answer is larger than {self._max_bytes} bytes, more than is ever due"
            )

    def content(self) -> bytes:
        """The whole body, decompressed.

        Raises:
            SourceUnavailable: the compressed data end before their end mark.
        """
        if self._inflater is not None and self._received and not self._inflater.eof:
            raise SourceUnavailable(f"{self._where}: the answer was cut short")
        return bytes(self._body)

    def _inflated(self, piece: bytes) -> bytes:
        if self._inflater is None:
            return piece
        try:
            return self._inflater.decompress(piece, self._max_bytes - len(self._body) + 1)
        except zlib.error as exc:
            raise SourceUnavailable(
                f"{self._where}: the answer is garbled, its compressed data cannot be read"
            ) from exc


T = TypeVar("T")
Params = Mapping[str, str]
Gate = Callable[[], AbstractAsyncContextManager[None]]

# By the names of httpx's classes, so that this table does not load it.
WORDS = {
    "ConnectTimeout": "the connection was not made in time",
    "TimeoutException": "no complete answer came in time",
    "ConnectError": "it cannot be reached",
    "NetworkError": "the connection broke off",
    "ProxyError": "the proxy on the way refused",
    "ProtocolError": "the connection broke off or did not speak HTTP",
    "DecodingError": "the answer is garbled",
    "StreamError": "the answer's body could not be read",
    "HTTPError": "the exchange failed",
}


def translated(error: Exception, where: str) -> EtlError:
    """An exception of httpx as one of ours, without its own text, which may quote headers."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if not {"InvalidURL", "UnsupportedProtocol", "CookieConflict"}.isdisjoint(names):
        return ConfigurationError(f"{where} is not an address that can be asked", next_step=_CHECK_ADDRESS)
    if (verdict := _for_a_person(error, where)) is not None:
        return verdict
    if "TooManyRedirects" in names:
        return _redirected(where, None)
    words = next((WORDS[name] for name in names if name in WORDS), "the exchange failed")
    inner = [cause.strerror for cause in causes(error) if isinstance(cause, OSError) and cause.strerror]
    detail = f" ({inner[-1]})" if inner else ""
    if is_denied_name(error):
        return SourceUnavailable(
            f"{where}: there is no host of this name{detail}", next_step=f"{_CHECK_ADDRESS}, and DNS", most_tries=2
        )
    return SourceUnavailable(f"{where}: {words}{detail}", next_step=_CHECK_NETWORK)


def _for_a_person(error: Exception, where: str) -> SourceRejected | None:
    """What no try mends: a port, or a certificate."""
    if is_untrusted(error):
        return SourceRejected(
            f"{where}: its TLS certificate is not trusted, so nothing was sent",
            next_step=f"{_CHECK_ADDRESS}, this machine's clock, and the CA certificates that a company proxy may need",
        )
    if has_no_tls(error):
        return SourceRejected(
            f"{where}: TLS was spoken to a port that does not speak it",
            next_step=f"{_CHECK_ADDRESS}: its port, and https or http; and the proxy in HTTPS_PROXY",
        )
    return None


class HttpAdapter:
    """GETs from one service, and texts posted to it. For ``async with``, in one event loop.

    TLS is always verified. Redirects are never followed, so that the headers go to no other host.

    Args:
        base_url: scheme, host and the path before every path asked for, such as ``https://pro-api.coinmarketcap.com``.
        headers: sent with each request, beside ``Accept`` and ``Accept-Encoding``; their values are secrets.
        timeout_seconds: for one try from its first byte out to its last byte in, a slow drip included.
        clock: the present moment, aware; asked only for a ``Retry-After`` that names a date.
        max_body_bytes: the most that a body may hold, before and after decompression.

    Attributes:
        calls_made: GETs so far, retries included.

    Raises:
        ConfigurationError: the base URL, a header's value or the proxy set-up of this machine is unusable.
    """

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
        max_body_bytes: int = 32 * 1024 * 1024,
    ) -> None:
        self.calls_made = 0
        self._secrets = [value for value in headers.values() if value]
        self._timeout_seconds = timeout_seconds
        self._retry = retry
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._client = _client(base_url, headers)
        proxy = proxy_variable(base_url)
        self._by_way = f" (by way of the proxy in {proxy})" if proxy else ""

    async def __aenter__(self) -> HttpAdapter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: Params, read: Callable[[Answer], T], *, gate: Gate = nullcontext) -> T:
        """What ``read`` makes of the answer to a GET of ``path`` with ``params``. Idempotent.

        Args:
            path: below the base URL, beginning with a slash.
            params: the query, not yet quoted.
            read: returns what an answer holds, or raises: a `RetryableError` to have the call retried (``Retry-After``,
                where sent, sets the wait), any other error to stop.
            gate: entered around each try, and not held while waiting between two.

        Raises:
            SourceUnavailable: no answer, none in time, or a broken one, at the last of the tries.
            SourceRejected: a redirect, an untrusted certificate, or TLS on one side only.
            ContractError: the body is larger than the limit or compressed in a way that was not asked for.
            ConfigurationError: the address cannot be asked at all.
            EtlError: whatever ``read`` raised.
        """

        async def one_try() -> T:
            async with gate():
                self.calls_made += 1
                return await self._within_time(self._exchange(path, params, read, where), where)

        where = f"{self._client.base_url.netloc.decode()}{self._client.base_url.path.rstrip('/')}{path}{self._by_way}"
        return await self._retry.acall(one_try)

    async def get_json(self, path: str, params: Params) -> object:
        """The JSON value that a service answers whose HTTP statuses say it all: `get` with `plain_json`.

        Raises:
            EtlError: what `get` and `plain_json` raise.
        """
        return await self.get(path, params, plain_json)

    def redact(self, text: str) -> str:
        """The text without the headers' values: for what a service echoes, before it is shown or logged."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    async def post_text(self, path: str, text: str) -> None:
        """POST a text once, as UTF-8, and ignore the body of the answer.

        Args:
            path: below the base URL, with its query; it may hold a secret, so no message has it.

        Raises:
            SourceUnavailable: no answer in time, or one without success.
            SourceRejected: an untrusted certificate.
            ConfigurationError: the address cannot be asked at all.
        """
        where = f"{self._client.base_url.netloc.decode()}{self._by_way}"
        status = await self._within_time(self._post(path, text), where)
        if not 200 <= status <= 299:  # noqa: PLR2004 - HTTP's own numbers
            raise SourceUnavailable(f"{where}: HTTP {status}", next_step=_CHECK_NETWORK, status=status)

    async def _within_time(self, exchange: Coroutine[Any, Any, T], where: str) -> T:
        import httpx  # noqa: PLC0415 - loaded with the client, not with this module

        try:
            return await asyncio.wait_for(exchange, self._timeout_seconds)
        except asyncio.TimeoutError as exc:
            raise SourceUnavailable(
                f"{where}: no complete answer within {self._timeout_seconds:g} seconds", next_step=_CHECK_NETWORK
            ) from exc
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict) as exc:
            # A server of TLS that is asked without it often just hangs up.
            if isinstance(exc, httpx.ReadError | httpx.RemoteProtocolError) and await self._is_asked_in_the_clear():
                raise _asked_in_the_clear(where) from exc
            raise translated(exc, where) from exc

    async def _is_asked_in_the_clear(self) -> bool:
        url = self._client.base_url
        return url.scheme == "http" and await asyncio.to_thread(speaks_tls, url.host, url.port or 80)

    async def _post(self, path: str, text: str) -> int:
        async with self._client.stream("POST", path, content=text.encode(errors="replace")) as response:
            return response.status_code

    async def _exchange(self, path: str, params: Params, read: Callable[[Answer], T], where: str) -> T:
        # Commas stay as they are: lists of ids would else take half as much again of the URL.
        url = f"{path}?{urlencode(params, safe=',')}" if params else path
        async with self._client.stream("GET", url) as response:
            if response.is_redirect:
                raise _redirected(where, response.status_code)
            content = await self._content(response, where)
        try:
            return read(Answer(where, response.status_code, content, response.headers))
        except RetryableError as error:
            asked = retry_after_seconds(response.headers, now=self._clock())
            error.retry_after_seconds = error.retry_after_seconds if asked is None else asked
            raise

    async def _content(self, response: httpx.Response, where: str) -> bytes:
        encoding = response.headers.get("content-encoding", "")
        body = BoundedBody(where=where, content_encoding=encoding, max_bytes=self._max_body_bytes)
        # Closed here: when the bound is passed, the loop would else be closed on a reader that is still open.
        async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
            async for piece in pieces:
                body.add(piece)
        return body.content()


def _client(base_url: str, headers: Mapping[str, str]) -> httpx.AsyncClient:
    import httpx  # noqa: PLC0415 - 0.1 s, which a command without HTTP need not wait for

    for name, value in headers.items():
        # Else httpx would quote the value in the exception it raises, and so in a traceback.
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise ConfigurationError(
                f"the value for the header {name} has characters that cannot be sent",
                next_step="check the setting it comes from for stray spaces, quotes or letters that are not ASCII",
            )
    try:
        with proxy_exceptions():
            return httpx.AsyncClient(
                base_url=base_url,
                headers={"Accept": "application/json", "Accept-Encoding": "gzip", **headers},
                timeout=None,  # noqa: S113 - the adapter's own deadline covers every phase, and a slow drip too
                follow_redirects=False,
            )
    except (httpx.InvalidURL, ValueError, OSError, ImportError) as exc:
        if odd := odd_proxies():
            raise ConfigurationError(
                f"{', '.join(odd)}: not a proxy's address that can be used",
                next_step="write it as http://HOST:PORT or socks5://HOST:PORT, or unset it in the environment",
            ) from exc
        raise ConfigurationError(
            "the HTTP client cannot be set up with this base URL and this machine's proxy and certificate variables",
            next_step=f"{_CHECK_ADDRESS}, and HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE in the environment",
        ) from exc


def _asked_in_the_clear(where: str) -> SourceRejected:
    return SourceRejected(f"{where}: this port speaks TLS, and was asked without", next_step=f"{_CHECK_ADDRESS}: https")


def _redirected(where: str, status: int | None) -> SourceRejected:
    return SourceRejected(
        f"{where}: answered with a redirect, which is not followed so that the key goes nowhere else",
        next_step=_CHECK_ADDRESS,
        status=status,
    )


def proxy_variable(url: str) -> str | None:
    """The variable of the environment that sends calls of this address through a proxy; None where none does."""
    scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    proxies = getproxies()
    kind = next((kind for kind in (scheme, "all") if proxies.get(kind)), None)
    if kind is None or proxy_bypass(host):
        return None
    names = (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), None)  # noqa: TID251 - httpx's setting, not ours


def odd_proxies() -> list[str]:
    """The variables of the environment that hold what is no address of a proxy."""
    kinds = ("http_proxy", "https_proxy", "all_proxy")
    held = {name: value for name, value in os.environ.items() if name.lower() in kinds and value}  # noqa: TID251 - as above
    return sorted(name for name, value in held.items() if not _PROXY.fullmatch(value))


@contextmanager
def proxy_exceptions() -> Iterator[None]:
    """Hide from httpx, while it reads NO_PROXY, the entries that would stop it, such as IPv6 ranges."""
    environment = os.environ  # noqa: TID251 - httpx's setting, not ours
    before = {name: environment[name] for name in ("NO_PROXY", "no_proxy") if name in environment}
    for name, entries in before.items():
        environment[name] = ",".join(filter(None, (_usable(entry.strip()) for entry in entries.split(","))))
    try:
        yield
    finally:
        environment.update(before)


def _usable(entry: str) -> str:
    """An entry of NO_PROXY in the form that httpx takes, empty where there is none."""
    if bracketed := _BRACKETED.fullmatch(entry):
        address, port = bracketed.groups()
        return f"all://[{address}]{port}" if port else address
    if _HOST.fullmatch(entry):
        return entry
    try:
        return str(IPv6Address(entry))
    except AddressValueError:
        return ""

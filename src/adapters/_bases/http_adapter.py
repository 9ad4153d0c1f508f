"""HTTP, for every service: nothing else imports httpx. The meaning of an answer is the service's business."""

from __future__ import annotations

import asyncio
import math
import os
import re
import sys
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from aiolimiter import AsyncLimiter

from adapters._bases.errors import (
    ClockError,
    ConfigurationError,
    ContractError,
    EtlError,
    RetryableError,
    SourceRejected,
    SourceUnavailable,
    causes,
)
from adapters._bases.json_values import json_value, whole
from adapters._bases.retry import RetryPolicy
from adapters._bases.tehran_time import tehran_text
from adapters._bases.wording import one_line

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

# More than the age of a cached answer plus the seconds by which healthy clocks differ.
CLOCK_TOLERANCE = timedelta(minutes=5)
BANNED = HTTPStatus.IM_A_TEAPOT  # which Binance uses for it
_OK, _FORBIDDEN, _TOO_MANY = HTTPStatus.OK, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS
_AT_A_TIME = 4
_MINUTE_SECONDS = 60.0
# A ban's end without Retry-After, such as "IP banned until 1659146400000".
_UNTIL = re.compile(rb"until\D{1,20}(\d{13})\b")
# How refusals of a country describe it, also in a page.
_COUNTRY = re.compile(
    rb"countr(y|ies)\b|(?<![\"'=-])\bregions?\b|(restricted|your) location|jurisdiction|territor|sanction|embargo|"
    rb"\b(Iran|Cuba|Syria|Crimea|North Korea|Russia|China|United States)\b",
    re.IGNORECASE,
)
# Only its last two parts are shown, so that the reason after it is seen.
_LONG_PATH = re.compile(r"^/[^/]+(?:/[^/]+)*(/[^/]+/[^/]+)$")
# Some servers name these as an encoding.
_UNCOMPRESSED = {"", "identity", "none", "binary", "8bit", "utf-8", "utf8", "ascii", "us-ascii"}
_MAX_BODY_BYTES = 32 * 1024 * 1024
_LONGEST_AGE_SECONDS = 10**9
_TRY_LATER = "try again later"
CALL_LESS = f"{_TRY_LATER}, and let other programs behind this address call less"
_CHECK_NETWORK = f"{_TRY_LATER}; if it persists, check this machine's network, proxy and firewall"
_CHECK_ADDRESS = "check the base URL in the settings"
_UNUSABLE = "not a usable address"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class _Cause(NamedTuple):
    said: str  # searched in the lines ``kind: text`` of an error and its causes
    message: str
    next_step: str = _CHECK_NETWORK
    kind: Callable[..., EtlError] = SourceUnavailable


# By the names of httpx's classes, so that this table does not load it. The first match counts.
_CAUSES = (
    _Cause("^(InvalidURL|UnsupportedProtocol|CookieConflict):", _UNUSABLE, _CHECK_ADDRESS, ConfigurationError),
    _Cause(
        "^SSLCertVerificationError:",
        "its TLS certificate is not trusted, so nothing was sent",
        f"{_CHECK_ADDRESS}, this machine's clock, and the CA certificates that a company proxy may need",
        SourceRejected,
    ),
    _Cause(
        "^SSLError: .*(WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST|UNKNOWN_PROTOCOL)",
        "this port does not speak TLS",
        f"{_CHECK_ADDRESS}: its port, and https or http; and the proxy in HTTPS_PROXY",
        SourceRejected,
    ),
    # What h11 says of an answer that begins with a control character, as a TLS alert does.
    _Cause("^RemoteProtocolError: illegal request line", "this port requires https", _CHECK_ADDRESS, SourceRejected),
    # EAI_NONAME, EAI_NODATA; 8 on macOS. It may be a slip of the name server, but mostly the name is wrong.
    _Cause(
        r"^gaierror: \[Errno (-2|-5|8)\]",
        "unknown host name",
        f"{_CHECK_ADDRESS}, and DNS",
        partial(SourceUnavailable, most_tries=2),
    ),
    _Cause("^ConnectError:", "it cannot be reached"),
    _Cause("^ProxyError:", "the proxy refused"),
    _Cause("(Protocol|^Read|^Write|^Close|^Network)Error:", "the connection broke off or did not speak HTTP"),
    _Cause("", "the exchange failed"),
)


def _translated(error: Exception, where: str) -> EtlError:
    # Without its own text, which may quote headers.
    said = "\n".join(f"{type(cause).__name__}: {cause}" for cause in causes(error))
    cause = next(cause for cause in _CAUSES if re.search(cause.said, said, re.MULTILINE))
    words = [one.strerror for one in causes(error) if isinstance(one, OSError) and one.strerror]
    return cause.kind(f"{where}: {cause.message}{f' ({words[-1]})' if words else ''}", next_step=cause.next_step)


class Answer(NamedTuple):
    """A service's answer, its body decompressed."""

    where: str  # host and path of the request, for messages
    status: int
    content: bytes
    headers: Mapping[str, str]
    asked_at: datetime  # by this host's clock, aware

    @property
    def made_at(self) -> datetime | None:
        """The instant in the header ``Date``, by the source's clock; None if it cannot be read."""
        return _header_time(self.headers.get("date", ""))


def minute_limiter(calls: int) -> AsyncLimiter:
    """Lets no more than this number of calls through in any 60 seconds."""
    # A leaky bucket of a whole minute's calls would pass them twice in one minute: once at once, once more as it
    # drains. So a fifth may go at once, and the others drain over the minute.
    burst = max(1, calls // 5)
    return AsyncLimiter(burst, _MINUTE_SECONDS * burst / max(calls - burst, 1))


def may_pass(status: int) -> bool:
    """Whether a failure with this HTTP status may be temporary."""
    # RFC 9110, 8470 (425). A success other than 200, such as 202 with an empty body, comes from a gatekeeper.
    passes = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, BANNED, _TOO_MANY)
    return status in passes or 201 <= status <= 299 or 500 <= status <= 599  # noqa: PLR2004 - HTTP's own numbers


def failure(
    source: str,
    status: int,
    text: str = "",
    *,
    code: int | None = None,
    passes: bool | None = None,
    refused: str = _CHECK_ADDRESS,
    later: str = "",
    wait: float | None = None,
) -> SourceUnavailable | SourceRejected:
    """The error that an answer means: its HTTP status, and the source's own text, free of secrets, and code.

    Args:
        passes: whether to retry; None: as the status says.
        refused, later: the next step if it is final, and if not.
        wait: the seconds to wait before a retry, if the answer names none.
    """
    passes, limited = may_pass(status) if passes is None else passes, status in (BANNED, _TOO_MANY)
    how = "gives no usable answer" if status == _OK and not code else "is overloaded or failing"
    if limited:
        how = "allows no more calls now"
    if not passes:
        how = "refuses the request"
    message = f"{source} {how} (HTTP {status}{f', code {code}' if code else ''}){text and f': {text}'}"
    if not passes:
        return SourceRejected(message, next_step=refused, status=status, code=code)
    later = later or (CALL_LESS if limited else _TRY_LATER)
    return SourceUnavailable(message, next_step=later, retry_after_seconds=wait, status=status, code=code)


def read_json(answer: Answer) -> object:
    """The JSON value of a service that says everything by its HTTP statuses; raises as `failure` and `json_answer`."""
    value = json_answer(answer)
    if answer.status != _OK:
        raise failure(answer.where, answer.status)
    return value


def json_answer(answer: Answer) -> object:
    """The JSON value of an answer, regardless of its status. Raises if it is not JSON, perhaps only for a while."""
    where, status, content, *_ = answer
    try:
        return json_value(content)
    except (ValueError, RecursionError) as exc:
        start = content.lstrip()[:1]
        found = {b"": "an empty body", b"<": "an HTML page", b"{": "truncated JSON", b"[": "truncated JSON"}
        # 403 as an HTML page is Cloudflare's, made before the service is reached.
        by = ", from a gatekeeper such as Cloudflare" if status == _FORBIDDEN else ""
        passes = status in (_OK, _FORBIDDEN) or may_pass(status)
        raise failure(where, status, f"{found.get(start, 'a text')} instead of JSON{by}", passes=passes) from exc


def retry_after_seconds(answer: Answer) -> float | None:
    """Seconds to wait by ``Retry-After`` (RFC 9110, 10.2.3), at least 0; None if absent or unreadable."""
    value = answer.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        if (until := _header_time(value)) is None:
            return None
        # From the answer's own date, so that a wrong clock on this host does not change the wait.
        seconds = (until - (answer.made_at or answer.asked_at)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _header_time(text: str) -> datetime | None:
    try:
        named = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # "-0000" is the one zone that is read as naive; it still counts from UTC.
    return named if named.tzinfo is not None else named.replace(tzinfo=timezone.utc)


async def read_body(pieces: AsyncIterator[bytes], *, where: str, encoding: str, max_bytes: int) -> bytes:
    """The whole body, decompressed from gzip, deflate or no encoding, with a limit before and after that."""
    # httpx's own decoding unpacks a piece before it can be measured (64 KiB of gzip may hold 64 MB), accepts truncated
    # gzip, and follows chains of encodings, each of which multiplies.
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in _UNCOMPRESSED]
    if names not in ([], ["gzip"], ["x-gzip"], ["deflate"]):
        raise ContractError(
            f"{where}: the answer is encoded as {one_line(encoding)}, which was not requested; probably by a proxy",
            next_step=f"check the proxy in HTTPS_PROXY or ALL_PROXY; {_CHECK_ADDRESS}",
        )
    # 32 added to the window size: zlib tells gzip and deflate apart by itself.
    inflater = zlib.decompressobj(window := zlib.MAX_WBITS | 32)
    received, body = 0, bytearray()
    async for piece in pieces:
        received += len(piece)
        packed = piece if names else b""
        try:
            while packed and len(body) <= max_bytes:
                if inflater.eof:  # gzip may have several members; other data after the end are ignored
                    if not packed.startswith(b"\x1f"):
                        break
                    inflater = zlib.decompressobj(window)
                body += inflater.decompress(packed, max_bytes - len(body) + 1)
                packed = inflater.unused_data
        except zlib.error as exc:
            raise SourceUnavailable(f"{where}: the answer's compressed data are garbled") from exc
        body += b"" if names else piece
        if max(received, len(body)) > max_bytes:
            raise ContractError(f"{where}: the answer exceeds the size limit of {max_bytes} bytes")
    if names and received and not inflater.eof:
        raise SourceUnavailable(f"{where}: the answer is truncated")
    return bytes(body)


class HttpAdapter(AbstractAsyncContextManager["HttpAdapter"]):
    """GETs from one service, and texts posted to it. For ``async with``, in one event loop.

    Calls are made one at a time until the first answer, so that a ban is met once, then four at a time. TLS is always
    verified. Redirects are never followed, so that the headers go to no other host.

    Args:
        base_url: scheme, host and the start of every path, such as ``https://pro-api.coinmarketcap.com``.
        headers: sent with each request; their values are secrets.
        timeout_seconds: for one try from its first byte out to its last byte in, a slow drip included.
        setting: the variable of the base URL, for messages.

    Raises:
        ConfigurationError: the base URL or a proxy variable of this machine is unusable.
    """

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        retry: RetryPolicy,
        clock: Callable[[], datetime],
        setting: str = "the base URL",
    ) -> None:
        self.calls_made = 0  # GETs so far, retries included
        self.limiter: AbstractAsyncContextManager[None] = nullcontext()  # entered around each try, not while waiting
        self._secrets = [value for value in headers.values() if value]
        self._timeout_seconds = timeout_seconds
        self._retry = retry
        self._clock = clock
        self._another_way = f"set {setting} to a host that answers here, or HTTPS_PROXY or ALL_PROXY to another way"
        self._closed_until = 0.0  # by the monotonic clock
        self._newest: datetime | None = None  # by the source's clock, of its answers
        self._in_flight, self._was_answered = asyncio.Semaphore(1), False
        self._client = _client(base_url, headers)
        self._host = self._client.base_url.netloc.decode()
        proxy = _proxy_variable(base_url)
        self._via = f" (via the proxy in {proxy})" if proxy else ""

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: Mapping[str, str], read: Callable[[Answer], T]) -> T:
        """What ``read`` makes of the answer to a GET.

        Args:
            read: such as `read_json`; raises a `RetryableError` to have the call retried (``Retry-After``, if sent,
                sets the wait), any other error to stop. An error with the status 418 or 429 holds back all calls.

        Raises:
            SourceUnavailable: no answer, none in time, or a broken one, at the last of the tries.
            SourceRejected, ContractError, ConfigurationError: a try is in vain.
        """

        async def one_try() -> T:
            async with self._in_flight, self.limiter:
                if (left := self._closed_until - time.monotonic()) > 0:
                    message = f"{where}: no more calls from this address for {left:.0f} seconds"
                    raise SourceUnavailable(message, next_step=CALL_LESS, retry_after_seconds=left)
                self.calls_made += 1
                found = await self._in_time(self._exchange(path, params, read, where), where)
            if not self._was_answered:
                self._was_answered = True
                for _ in range(_AT_A_TIME - 1):
                    self._in_flight.release()
            return found

        shown = _LONG_PATH.sub(r"/…\1", self._client.base_url.path.rstrip("/") + path)
        where = f"{self._host}{shown}{self._via}"
        return await self._retry.acall(one_try)

    async def post_text(self, path: str, text: str) -> None:
        """POST a text once, as UTF-8, ignoring the answer's body. The path may be secret: no message shows it."""

        async def post() -> httpx.Response:
            async with self._client.stream("POST", path, content=text.encode(errors="replace")) as response:
                return response

        where = f"{self._host}{self._via}"
        if not (response := await self._in_time(post(), where)).is_success:
            raise failure(where, response.status_code)

    def redact(self, text: str) -> str:
        """The text without the headers' values: for what a service echoes, before it is shown or logged."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def pause(self, seconds: float) -> None:
        """Make no call for this time."""
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def as_of(self, answer: Answer) -> datetime:
        """The moment, aware, up to which an answer is certain: by ``Date`` or this host's clock. Raises as `is_old`."""
        self.is_old(answer, answer.made_at)
        return min(answer.asked_at, answer.made_at or answer.asked_at)

    def is_old(self, answer: Answer, made: datetime | None) -> bool:
        """Whether an answer, made at an aware moment by the source's clock, is an old one from a cache.

        Raises ClockError if the source's clock and this host's differ by more than `CLOCK_TOLERANCE`.
        """
        now = self._clock()
        if made is None:
            return False
        if abs(made - now) <= CLOCK_TOLERANCE:
            self._newest = max(made, self._newest or made)
            return False
        age = timedelta(seconds=min(max(0, whole(answer.headers.get("age", "")) or 0), _LONGEST_AGE_SECONDS))
        if made < now and (abs(made + age - now) <= CLOCK_TOLERANCE or (self._newest and made <= self._newest)):
            return True
        raise ClockError(
            f"this host's clock says {tehran_text(now)}, that of {self._host} {tehran_text(made)} (both in Tehran): "
            "prices would be stored under the wrong hour, so nothing was",
            next_step="set this host's clock, for example by: timedatectl set-ntp true",
        )

    async def _in_time(self, exchange: Coroutine[Any, Any, T], where: str) -> T:
        import httpx  # noqa: PLC0415 - loaded with the client, not with this module
        import socksio  # noqa: PLC0415 - as above

        try:
            return await asyncio.wait_for(exchange, self._timeout_seconds)
        except asyncio.TimeoutError as exc:
            raise SourceUnavailable(
                f"{where}: no complete answer within {self._timeout_seconds:g} seconds", next_step=_CHECK_NETWORK
            ) from exc
        # httpcore passes on what socksio says of a proxy that hangs up.
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict, socksio.SOCKSError) as exc:
            raise _translated(exc, where) from exc

    async def _exchange(self, path: str, params: Mapping[str, str], read: Callable[[Answer], T], where: str) -> T:
        # Commas stay as they are: lists of ids would otherwise take half as much again of the URL.
        url = f"{path}?{urlencode(params, safe=',')}" if params else path
        asked_at = self._clock()
        async with self._client.stream("GET", url) as response:
            if response.is_redirect:
                raise SourceRejected(
                    f"{where}: answered with a redirect, which is not followed so that the key goes nowhere else",
                    next_step=_CHECK_ADDRESS,
                    status=response.status_code,
                )
            encoding = response.headers.get("content-encoding", "")
            # Closed here: past the limit the loop would otherwise be closed on a reader that is still open.
            async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
                content = await read_body(pieces, where=where, encoding=encoding, max_bytes=_MAX_BODY_BYTES)
        answer = Answer(where, response.status_code, content, response.headers, asked_at)
        try:
            return read(answer)
        except (SourceRejected, ContractError, RetryableError) as error:
            refused = answer.status == _FORBIDDEN or (answer.status == _OK and not isinstance(error, RetryableError))
            if answer.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS or (refused and _COUNTRY.search(content)):
                message = f"{error.message}; this network's country may be the reason"
                raise SourceRejected(message, next_step=self._another_way, status=answer.status) from error
            if isinstance(error, RetryableError):
                self._heed(answer, error)
            raise

    def _heed(self, answer: Answer, error: RetryableError) -> None:
        """Wait as long as the answer asks, and make no other call meanwhile if it is a limit."""
        asked, limited = retry_after_seconds(answer), error.status in (BANNED, _TOO_MANY)
        wait = error.retry_after_seconds if asked is None else asked
        if wait is None and (limited or error.status == _FORBIDDEN):
            wait = _MINUTE_SECONDS
        if error.status == _FORBIDDEN:
            error.most_tries, error.next_step = 2, f"{_TRY_LATER}; if it persists, {self._another_way}"
        if limited:
            if until := _UNTIL.search(answer.content):
                made_at = answer.made_at or answer.asked_at
                wait = max(wait or 0.0, int(until[1]) / 1000 - made_at.timestamp())
            self.pause(wait or 0.0)
        error.retry_after_seconds = wait


def _client(base_url: str, headers: Mapping[str, str]) -> httpx.AsyncClient:
    # httpx imports its command line if click, rich and pygments are installed: an eighth of a cron run, never used.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None: cannot be imported
    import httpx  # noqa: PLC0415 - 0.1 s, which a command without HTTP need not wait for

    try:
        httpx.URL(base_url)
    except httpx.InvalidURL as exc:
        raise ConfigurationError(f"{_UNUSABLE}: {exc}", next_step=_CHECK_ADDRESS) from exc
    try:
        return httpx.AsyncClient(
            base_url=base_url,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", **headers},
            timeout=None,  # noqa: S113 - the adapter's own deadline covers every phase, and a slow drip too
            follow_redirects=False,
        )
    except OSError as exc:
        raise ConfigurationError(
            "cannot set up the HTTP client with this machine's certificate variables",
            next_step="check SSL_CERT_FILE in the environment",
        ) from exc
    except (httpx.InvalidURL, ValueError, ImportError) as exc:
        proxies = [name for name in os.environ if name.lower() in _PROXIES]  # noqa: TID251 - as below
        raise ConfigurationError(
            f"cannot read the proxy settings in {', '.join(proxies)}",
            next_step="write a proxy as http://HOST:PORT or socks5://HOST:PORT, in NO_PROXY host names and single "
            "addresses only; or unset the variable",
        ) from exc


def _proxy_variable(url: str) -> str | None:
    """The environment variable that sends requests to this address through a proxy; None if there is none."""
    address, proxies = urlsplit(url), getproxies()
    kind = next((kind for kind in (address.scheme, "all") if proxies.get(kind)), None)
    if kind is None or proxy_bypass(address.hostname or ""):
        return None
    names = (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name)), None)  # noqa: TID251 - httpx's setting, not ours

"""Pings of a monitor by the conventions of healthchecks.io: https://healthchecks.io/docs/http_api/."""

from __future__ import annotations

from urllib.parse import urlsplit

from adapters._bases.http_adapter import HttpAdapter

_LONGEST_TEXT = 10_000
"""Characters of the last lines; healthchecks.io keeps a hundred thousand bytes."""


class HealthchecksAdapter:
    """One check. Every ping may raise what `HttpAdapter.post_text` raises, and is not retried.

    Args:
        http: with `host_of` the check's address as its base URL.
        url: the check's address; its path is a secret.
    """

    def __init__(self, *, http: HttpAdapter, url: str) -> None:
        self._http = http
        self._url = urlsplit(url)

    async def started(self) -> None:
        """Ping that the work has begun."""
        await self._ping("/start", "")

    async def succeeded(self) -> None:
        """Ping that it ended well."""
        await self._ping("", "")

    async def failed(self, last_lines: str) -> None:
        """Ping that it failed. The end of the text says why."""
        await self._ping("/fail", last_lines[-_LONGEST_TEXT:])

    async def _ping(self, event: str, text: str) -> None:
        query = f"?{self._url.query}" if self._url.query else ""
        await self._http.post_text(f"{self._url.path.rstrip('/')}{event}{query}", text)


def host_of(url: str) -> str:
    """The scheme and host of a check's address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

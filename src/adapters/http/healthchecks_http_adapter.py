"""Pings of a monitor by the conventions of healthchecks.io: https://healthchecks.io/docs/http_api/."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy

Event = Literal["start", "success", "fail"]

_TIMEOUT_SECONDS = 3.0
# Characters of the last lines; healthchecks.io keeps a hundred thousand bytes.
_LONGEST_TEXT = 10_000


async def ping(url: str, event: Event, text: str = "", *, clock: Callable[[], datetime]) -> None:
    """Ping a check once, for three seconds at most. May raise what `HttpAdapter` and its `post_text` raise.

    Args:
        url: the check's address; its path is a secret.
        text: its end is sent, as the reason for a failure.
    """
    check = urlsplit(url)
    path = check.path.rstrip("/") + ("" if event == "success" else f"/{event}")
    http = HttpAdapter(
        base_url=f"{check.scheme}://{check.netloc}",
        headers={},
        timeout_seconds=_TIMEOUT_SECONDS,
        retry=RetryPolicy(attempts=1),
        clock=clock,
    )
    async with http:
        await http.post_text(f"{path}?{check.query}" if check.query else path, text[-_LONGEST_TEXT:])

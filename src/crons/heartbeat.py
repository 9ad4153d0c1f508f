"""Tells a monitor that a run began and how it ended, so that somebody hears of the run that did not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import structlog

from adapters._bases.errors import EtlError
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from adapters.http.healthchecks_adapter import HealthchecksAdapter, host_of
from configurations.logs import last_lines
from crons.context import RunReport

PING_SECONDS = 3.0
"""The longest that one ping may hold a run up."""

Ping = Callable[[HealthchecksAdapter], Coroutine[Any, Any, None]]

log = structlog.get_logger(__name__)


def monitored(url: str | None, run: Callable[[], RunReport], *, clock: Callable[[], datetime]) -> RunReport:
    """What ``run`` returns or raises, its beginning and end told to the monitor; a ping that fails changes nothing.

    Args:
        url: the monitor's address; None tells nobody.
        run: the work.
        clock: gives the aware time.
    """
    if url is None:
        return run()

    def tell_failure(_kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            text = "\n".join([*lines, _words(error)])
            _send(url, clock, lambda check: check.failed(text))

    with last_lines() as lines, ExitStack() as stack:
        _send(url, clock, lambda check: check.started())
        stack.push(tell_failure)
        report = run()
    text = "\n".join([*lines, *report.failures])
    _send(url, clock, lambda check: check.failed(text) if report.failures else check.succeeded())
    return report


def _words(error: BaseException) -> str:
    """What stopped the run; of an error that nobody foresaw only its kind, for its text may hold anything."""
    return error.message if isinstance(error, EtlError) else f"unexpected error: {type(error).__name__}"


def _send(url: str, clock: Callable[[], datetime], ping: Ping) -> None:
    # Not asyncio.run: that would wait for a look-up of the host's name that hangs in a thread.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_pinged(url, clock, ping))
    except EtlError:
        # Its message could quote the address, which is a secret.
        log.warning("the monitor of HEALTHCHECK_URL was not reached, the run goes on")
    finally:
        loop.close()


async def _pinged(url: str, clock: Callable[[], datetime], ping: Ping) -> None:
    once = RetryPolicy(attempts=1)
    http = HttpAdapter(base_url=host_of(url), headers={}, timeout_seconds=PING_SECONDS, retry=once, clock=clock)
    async with http:
        await ping(HealthchecksAdapter(http=http, url=url))

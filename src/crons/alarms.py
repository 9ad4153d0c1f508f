"""Alarms: the pings of a monitor, and ALERT_COMMAND. A failure of either is a warning, and affects nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

import structlog

from adapters._bases.errors import EtlError
from adapters._bases.http_adapter import HttpAdapter
from adapters._bases.retry import RetryPolicy
from configurations.config import PROJECT_ROOT, Secret
from configurations.logs import last_lines
from crons.job import JobContext
from crons.resources import system_clock
from crons.start_up import import_fault

_PING_SECONDS = 3.0
_LONGEST_TEXT = 10_000  # characters; healthchecks.io keeps a hundred thousand bytes

log = structlog.get_logger(__name__)


@contextmanager
def monitored(run: JobContext) -> Iterator[None]:
    """Ping a run's monitor, if it has one, as it starts and ends, with what stopped it; a dry run has none."""
    # A heal has its own: it must not hide a missing hourly run.
    check = {"run": run.settings.healthcheck_url, "heal": run.settings.healthcheck_url_heal}.get(run.kind)
    url = check.value if check and not run.request.dry_run else ""
    inform(url, "start")
    try:
        yield
    except BaseException as error:
        expected = import_fault(error) or error
        words = f"unexpected error: {type(error).__name__}"  # its text may hold a secret
        if isinstance(expected, EtlError):
            words = expected.message + (f"; next: {expected.next_step}" if expected.next_step else "")
        inform(url, "fail", "\n".join([*last_lines(), words]))
        raise
    if failures := run.report.failures:
        inform(url, "fail", "\n".join([*last_lines(), *failures]))
    else:
        inform(url, "success")


def inform(url: str, event: Literal["start", "success", "fail"], text: str = "") -> None:
    """Ping a monitor once, by the conventions of https://healthchecks.io/docs/http_api/.

    Args:
        url: the check's address; its path is a secret. Nothing is pinged if it is empty.
        text: its end is sent, as the reason for a failure.
    """
    if not url:
        return
    check = urlsplit(url)
    path = check.path.rstrip("/") + ("" if event == "success" else f"/{event}")

    async def ping() -> None:
        address, once = f"{check.scheme}://{check.netloc}", RetryPolicy(attempts=1)
        made = HttpAdapter(base_url=address, headers={}, timeout_seconds=_PING_SECONDS, retry=once, clock=system_clock)
        async with made as http:
            await http.post_text(f"{path}?{check.query}" if check.query else path, text[-_LONGEST_TEXT:])

    # Not asyncio.run: it would wait for a name look-up that hangs in a thread.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(ping())
    except EtlError:
        # Its message could quote the address, which is a secret.
        log.warning("monitor not reached: see the healthcheck addresses in the settings")
    finally:
        loop.close()


def alert(command: Secret, what: str, text: str, *, limit_seconds: float = 30) -> None:
    """Run ALERT_COMMAND, if there is one, in the checkout; its stdin begins with `what`."""
    if not command:
        return
    whole, problem = f"data-processor on {socket.gethostname()}: {what}\n{text}\n", ""
    try:
        # Its output goes to stderr: stdout may be a pipe or cron's mail. Its own session can be killed as a whole.
        with subprocess.Popen(  # noqa: S603 - the operator's own command
            ["/bin/sh", "-c", command.value], stdin=subprocess.PIPE, stdout=2, cwd=PROJECT_ROOT, start_new_session=True
        ) as process:
            try:
                process.communicate(whole.encode(errors="replace"), limit_seconds)
                problem = f"exit code {process.returncode}" if process.returncode else ""
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                problem = f"killed after {limit_seconds} s"
    except OSError as error:
        problem = str(error.strerror)
    if problem:
        log.warning("ALERT_COMMAND failed", reason=problem)

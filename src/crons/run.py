"""``python -m crons.run NAME [backfill [HOURS] | heal [HOURS]]``: what cron calls, and what cron_run does."""

from __future__ import annotations

import sys

from crons.start_up import prepare

if __name__ == "__main__":
    prepare()

# isort: split
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from adapters._bases.errors import ConfigurationError, EtlError
from configurations.config import SettingsError, load_settings, usable_settings
from configurations.logs import last_lines, set_up_logging
from crons.alarms import alert
from crons.exits import DONE, FAILED, TERMINATED, USAGE, guarded, leave
from crons.job import Job, Request
from crons.registry import MAIN_JOB, find_job
from crons.resources import require_owner, system_clock
from crons.runner import execute, fail_for_settings

MAX_HOURS = 24 * 366 * 10
HEAL_HOURS = 168
HEAL_CREDITS = 100

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None, *, clock: Callable[[], datetime] = system_clock) -> int:
    """Run a job and log what happened; the exit code, see `crons.exits`. None takes the process's own arguments."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [MAIN_JOB]
    # The usual line of cron needs no parser: importing Typer would take a tenth of an hourly run.
    if not name.startswith("-") and rest in ([], ["--quiet"]):
        return start(Request(name, quiet=bool(rest)), clock)
    from main import app  # noqa: PLC0415

    typed = [f"cron_{rest[0]}", name, *rest[1:]] if rest[:1] in (["backfill"], ["heal"]) else ["cron_run", name, *rest]
    try:
        app(typed, prog_name="./run.sh", obj=clock)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    return DONE


def start(request: Request, clock: Callable[[], datetime]) -> int:
    """Run a job; the exit code. ALERT_COMMAND receives the log of a run that failed."""
    structlog.contextvars.bind_contextvars(job=request.name)
    code = guarded(lambda: _run(request, clock), tell=_log_error, clock=clock)
    if code in {FAILED, USAGE, TERMINATED} and request.kind != "backfill" and not request.dry_run:
        text = "\n".join(last_lines())
        guarded(lambda: _alarm(request, text, clock), tell=_log_error, clock=clock, names_checked=True)
    return code


def _alarm(request: Request, text: str, clock: Callable[[], datetime]) -> int:
    settings = usable_settings()
    set_up_logging(settings, clock)
    alert(settings.alert_command, f"{request.name} {request.kind} failed", text)
    return DONE


def _run(request: Request, clock: Callable[[], datetime]) -> int:
    job = find_job(request.name, with_past=request.kind != "run")
    least = "WARNING" if request.quiet else "DEBUG"
    try:
        settings = load_settings()
    except SettingsError as error:
        set_up_logging(error.settings, clock, least=least)
        fail_for_settings(request, job, error, clock)
    if request.kind != "run":
        request = _of_past(request, job, clock())
    set_up_logging(settings, clock, least=least)
    require_owner(settings)
    return FAILED if execute(request, job, settings, clock).failures else DONE


def _of_past(request: Request, job: Job, now: datetime) -> Request:
    """A backfill or heal, with the defaults of a heal; raises ConfigurationError if it makes no sense."""
    if request.max_credits is not None and not job.past_key:
        raise ConfigurationError(f"{request.name} uses no credits", next_step="leave --max-credits out")
    if request.kind == "heal":
        most = HEAL_CREDITS if request.max_credits is None else request.max_credits
        request = replace(request, hours=request.hours or HEAL_HOURS, max_credits=most)
    if (request.hours is None) == (request.first is None):
        example = "such as 168, or --from 2026-11-01 --to 2026-11-08"
        raise ConfigurationError("give either HOURS or --from", next_step=example)
    if request.end is not None and request.first is None:
        raise ConfigurationError("--to without --from", next_step="name the first hour too, by --from")
    # A list of too many hours could not be made.
    count = request.hours or len(request.starts(now))
    if not count:
        span = f"from {request.first} to {request.end or 'now'}"
        raise ConfigurationError(f"no past hour {span}", next_step="give an earlier --from")
    if count > MAX_HOURS:
        raise ConfigurationError(f"these are {count:,} hours", next_step=f"ask for {MAX_HOURS:,} at most at once")
    return request


def _log_error(error: EtlError) -> None:
    *lines, last = error.message.split("\n")
    for line in lines:
        log.error(line)
    log.error(last, **({"next": error.next_step} if error.next_step else {}))


if __name__ == "__main__":
    leave(main())

"""``python -m crons.run NAME [backfill [HOURS] | heal [HOURS]]``: what cron calls. cron_run and the like share it."""

from __future__ import annotations

import sys

from crons.start_up import prepare

if __name__ == "__main__":
    prepare()

# isort: split
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from adapters._bases.errors import ConfigurationError, EtlError
from adapters._bases.tehran_time import time_span
from configurations.config import SettingsError, load_settings, only_symbols, split_list, usable_settings
from configurations.logs import last_lines, set_up_logging
from crons.alarms import alert
from crons.exits import DONE, FAILED, TERMINATED, USAGE, guarded, leave
from crons.job import BackfillRequest, Kind
from crons.registry import MAIN_JOB, find_job
from crons.resources import require_owner, system_clock
from crons.runner import Request, execute, fail_for_settings

MAX_HOURS = 24 * 366 * 10
HEAL_HOURS = 168
HEAL_CREDITS = 100

log = structlog.get_logger(__name__)


class Options(NamedTuple):
    """What a command line asks for, see the help of cron_run, cron_backfill and cron_heal."""

    name: str = MAIN_JOB
    kind: Kind = "run"
    quiet: bool = False
    hours: int | None = None
    first: str | None = None
    end: str | None = None
    symbols: str | None = None
    max_credits: int | None = None
    dry_run: bool = False
    ask_all: bool = False


def main(arguments: Sequence[str] | None = None, *, clock: Callable[[], datetime] = system_clock) -> int:
    """Run a job and log what happened; the exit code, see `crons.exits`. None takes the process's own arguments."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [MAIN_JOB]
    # The usual line of cron needs no parser: importing Typer would take a tenth of an hourly run.
    if not name.startswith("-") and rest in ([], ["--quiet"]):
        return start(Options(name, quiet=bool(rest)), clock)
    from main import app  # noqa: PLC0415

    typed = [f"cron_{rest[0]}", name, *rest[1:]] if rest[:1] in (["backfill"], ["heal"]) else ["cron_run", name, *rest]
    try:
        app(typed, prog_name="./run.sh", obj=clock)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    return DONE


def start(options: Options, clock: Callable[[], datetime]) -> int:
    """Run a job as the options say; the exit code. ALERT_COMMAND receives the log of a run that failed."""
    structlog.contextvars.bind_contextvars(job=options.name)
    code = guarded(lambda: _run(options, clock), tell=_log_error, clock=clock)
    if code in {FAILED, USAGE, TERMINATED} and options.kind != "backfill" and not options.dry_run:
        text = "\n".join(last_lines())
        guarded(lambda: _alarm(options, text, clock), tell=_log_error, clock=clock, names_checked=True)
    return code


def _alarm(options: Options, text: str, clock: Callable[[], datetime]) -> int:
    settings = usable_settings()
    set_up_logging(settings, clock)
    alert(settings.alert_command, f"{options.name} {options.kind} failed", text)
    return DONE


def _run(options: Options, clock: Callable[[], datetime]) -> int:
    name, kind = options.name, options.kind
    request = Request(name, find_job(name, with_past=kind != "run"), kind)
    least = "WARNING" if options.quiet else "DEBUG"
    try:
        settings = load_settings()
    except SettingsError as error:
        set_up_logging(error.settings, clock, least=least)
        fail_for_settings(request._replace(fill=BackfillRequest(1, options.dry_run)), error, clock)
    if kind != "run":
        followed = request.job.followed(settings)
        names = {symbol.upper(): symbol for symbol in followed}
        given = [symbol.upper() for symbol in split_list(options.symbols or "")]
        symbols = tuple(dict.fromkeys(names.get(symbol, symbol) for symbol in given))
        if options.symbols is not None and not symbols:
            raise ConfigurationError("--symbols is empty", next_step="name some, such as BTC,ETH, or leave it out")
        only_symbols(settings, symbols, followed)  # refuses unknown ones before the run begins
        if options.max_credits is not None and not request.job.charges:
            raise ConfigurationError(f"{name} uses no credits", next_step="leave --max-credits out")
        request = request._replace(fill=_past_hours(options, clock()), symbols=symbols)
    set_up_logging(settings, clock, least=least)
    require_owner(settings)
    if both_calendars := time_span(options.first, options.end)[2]:
        log.info("hours in both calendars", span=both_calendars)
    return FAILED if execute(request, settings, clock).failures else DONE


def _past_hours(options: Options, now: datetime) -> BackfillRequest:
    hours, most = options.hours, options.max_credits
    if options.kind == "heal":
        hours, most = hours or HEAL_HOURS, HEAL_CREDITS if most is None else most
    if (hours is None) == (options.first is None):
        example = "such as 168, or --from 2026-11-01 --to 2026-11-08"
        raise ConfigurationError("give either HOURS or --from", next_step=example)
    if options.end is not None and options.first is None:
        raise ConfigurationError("--to without --from", next_step="name the first hour too, by --from")
    first, end, _ = time_span(options.first, options.end)
    wanted = BackfillRequest(hours or 0, options.dry_run, options.ask_all, most, first, end)
    count = hours or len(wanted.starts(now))
    if not count:
        span = f"from {options.first} to {options.end or 'now'}"
        raise ConfigurationError(f"no past hour {span}", next_step="give an earlier --from")
    if count > MAX_HOURS:
        raise ConfigurationError(f"these are {count:,} hours", next_step=f"ask for {MAX_HOURS:,} at most at once")
    return wanted


def _log_error(error: EtlError) -> None:
    *lines, last = error.message.split("\n")
    for line in lines:
        log.error(line)
    log.error(last, **({"next": error.next_step} if error.next_step else {}))


if __name__ == "__main__":
    leave(main())

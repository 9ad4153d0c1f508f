"""``python -m crons.run NAME [backfill HOURS | heal [HOURS]]``: what cron calls. Arguments in, exit code out."""

from __future__ import annotations

# First: what follows is installed, or is not.
import sys

from crons.set_up_guard import complain

if __name__ == "__main__":
    sys.excepthook = complain

# isort: split
import argparse
import inspect
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

import structlog

from adapters._bases.errors import ConfigurationError, EtlError
from adapters._bases.tehran_time import time_bound
from configurations.config import load_settings, only_symbols
from configurations.logs import set_up_logging
from crons.exits import DONE, EPILOG, FAILED, guarded
from crons.job import BackfillRequest, Kind
from crons.registry import find_job, find_job_with_past
from crons.resources import system_clock
from crons.runner import Request, execute

MAX_HOURS = 24 * 366 * 10
HEAL_HOURS = 168
HEAL_CREDITS = 100


log = structlog.get_logger(__name__)


def main(
    arguments: Sequence[str] | None = None,
    *,
    clock: Callable[[], datetime] | None = None,
) -> int:
    """Run a job and say what happened.

    Args:
        arguments: as on the command line; None takes the process's own.
        clock: gives the aware time; None takes the system's.

    Returns:
        The exit code, see `crons.exits`.
    """
    name, kind, typed = _split(sys.argv[1:] if arguments is None else arguments)
    options = _parser(kind).parse_args(typed)
    clock = clock or system_clock
    structlog.contextvars.bind_contextvars(job=name)
    return guarded(lambda: _run(name, kind, options, clock), tell=_log_error, clock=clock)


def _split(arguments: Sequence[str]) -> tuple[str, Kind, Sequence[str]]:
    """The job's name, what of it is to be run, and the arguments that follow."""
    if not arguments or arguments[0].startswith("-"):
        parser = _parser("run")
        parser.parse_args(arguments)  # --help ends here
        parser.error("NAME is missing")
    name, *rest = arguments
    if rest[:1] == ["backfill"]:
        return name, "backfill", rest[1:]
    return (name, "heal", rest[1:]) if rest[:1] == ["heal"] else (name, "run", rest)


def _run(name: str, kind: Kind, options: argparse.Namespace, clock: Callable[[], datetime]) -> int:
    """The exit code of what the command line asks for."""
    settings = load_settings()
    job = find_job(name) if kind == "run" else find_job_with_past(name)
    request = Request(name, job, kind)
    if kind != "run":
        named = tuple(dict.fromkeys(symbol for symbol in options.symbols.split(",") if symbol))
        fill = _fill(options, clock(), usual_credits=HEAL_CREDITS if kind == "heal" else None)
        request = request._replace(fill=fill, symbols=named)
        if options.max_credits is not None and not request.job.charges:
            raise ConfigurationError(f"{name} costs no credits", next_step="leave --max-credits out")
        if job.followed is not None:
            only_symbols(settings, named, job.followed(settings))  # refuses unknown ones before the run begins
    level = "ERROR" if settings.log_level == "ERROR" else "WARNING" if options.quiet else settings.log_level
    set_up_logging(
        level=level,
        form=settings.log_format,
        secrets=settings.secrets(),
        clock=clock,
        colours=not settings.no_color,
    )
    return FAILED if execute(request, settings, clock).failures else DONE


def _fill(options: argparse.Namespace, now: datetime, *, usual_credits: int | None) -> BackfillRequest:
    """The past hours that are asked for.

    Args:
        options: of the command line.
        now: aware.
        usual_credits: the most to spend where --max-credits does not say; None without a bound.

    Raises:
        ConfigurationError: both a number and --from, or neither, or none of the hours is past.
    """
    if (options.hours is None) == (options.first is None):
        raise ConfigurationError(
            "give either HOURS or --from", next_step="such as 168, or --from 2026-11-01 --to 2026-11-08"
        )
    if options.end is not None and options.first is None:
        raise ConfigurationError("--to without --from", next_step="name the first hour too, by --from")
    first, end = (None if text is None else time_bound(text) for text in (options.first, options.end))
    most = usual_credits if options.max_credits is None else options.max_credits
    fill = BackfillRequest(options.hours or 0, options.dry_run, options.all, most, first, end)
    if not (starts := fill.starts(now)):
        raise ConfigurationError(
            f"there is no past hour from {options.first} to {options.end or 'now'}", next_step="give an earlier --from"
        )
    if len(starts) > MAX_HOURS:
        raise ConfigurationError(f"these are {len(starts)} hours", next_step=f"ask for {MAX_HOURS} at most at once")
    return fill


def leave(code: int) -> NoReturn:
    """End the process at once: a run that was cut short may have left a thread inside the database, for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _log_error(error: EtlError) -> None:
    """An event for each thing that is wrong, the next step with the last."""
    *lines, last = error.message.split("\n")
    for line in lines:
        log.error(line)
    log.error(last, **({"next": error.next_step} if error.next_step else {}))


def _hours(text: str) -> int:
    """A number of hours from the command line."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_HOURS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of hours from 1 to {MAX_HOURS}")
    return int(text)


def _credits(text: str) -> int:
    """A number of credits from the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of credits")
    return int(text)


def _parser(kind: Kind) -> argparse.ArgumentParser:
    """Parses what follows NAME and the kind; it is named, and explained, as the command of run.sh that people type."""
    command, usage, example = {
        "run": (cron_run, "[NAME]", "cmc_hourly_prices --quiet"),
        "backfill": (cron_backfill, "[NAME]", "--from 2026-11-01 --to 2026-11-08 --dry-run"),
        "heal": (cron_heal, "[NAME]", "cmc_hourly_prices 168 --max-credits 20"),
    }[kind]
    typed = f"./run.sh {command.__name__}"
    parser = argparse.ArgumentParser(
        prog=f"{typed} {usage}",
        description=inspect.getdoc(command),
        epilog=f"Example: {typed} {example}\n\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command(parser)
    parser.add_argument("--quiet", action="store_true", help="log only what is wrong: warnings and errors")
    return parser


def cron_run(parser: argparse.ArgumentParser) -> None:
    """Run a job once, in the foreground, as cron does.

    What was fetched is kept in the spool before it is stored, and what an
    earlier run could not store is stored with it. Idempotent: a second run
    of the same hour updates it. In ./run.sh NAME is cmc_hourly_prices when
    not given.
    """
    parser.set_defaults(hours=None)


def cron_backfill(parser: argparse.ArgumentParser) -> None:
    """BackfillRequest the past hours of a job, as many as asked for.

    Fetches each of the HOURS hours before the present one, or those from
    one TIME to another, stored or not. A TIME is a day, 2026-11-01, or an
    hour, "2026-11-01 05:00", of Tehran's clock; a day as --to is left out
    itself. It says first what that costs and what the key has left, and
    refuses what the key cannot pay. In ./run.sh NAME is cmc_hourly_prices
    when not given, which needs CMC_API_KEY.
    """
    parser.add_argument("hours", metavar="HOURS", type=_hours, nargs="?", help="how many hours before the present one")
    parser.add_argument("--from", dest="first", metavar="TIME", help="the first hour or day, in place of HOURS")
    parser.add_argument("--to", dest="end", metavar="TIME", help="the first hour or day that is left out (now)")
    parser.add_argument("--symbols", metavar="BTC,ETH", default="", help="only these of the symbols that it follows")
    parser.add_argument("--max-credits", metavar="N", type=_credits, help="spend at most N credits, the earliest first")
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost, and stop there")
    parser.set_defaults(all=False)


def cron_heal(parser: argparse.ArgumentParser) -> None:
    """BackfillRequest the past hours of a job that are missing.

    Hours that the source had no quote for are remembered and not asked for
    again, unless --all. Hours before a symbol's first stored one are filled
    too, so that a new symbol gets its last week; status, verify and report
    count from the first stored one on. In ./run.sh NAME is cmc_hourly_prices
    when not given, which needs CMC_API_KEY.
    """
    parser.add_argument(
        "hours",
        metavar="HOURS",
        type=_hours,
        nargs="?",
        default=HEAL_HOURS,
        help=f"how many hours before the present one to look through ({HEAL_HOURS})",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what is missing and what it would cost, and stop")
    parser.add_argument("--all", action="store_true", help="ask also for hours that the source had no quote for before")
    parser.add_argument(
        "--max-credits",
        metavar="N",
        type=_credits,
        help=f"spend at most N credits ({HEAL_CREDITS}); the rest is left for the next heal",
    )
    parser.set_defaults(first=None, end=None, symbols="")


if __name__ == "__main__":
    leave(main())

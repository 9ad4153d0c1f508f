"""``python -m crons.run NAME [backfill HOURS | heal [HOURS]]``: what cron calls. Arguments in, exit code out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypeAlias

import structlog

from adapters._bases.errors import EtlError
from configurations.config import ENV_FILE, load_log_format, load_settings
from configurations.logs import set_up_logging
from crons.exits import DONE, EPILOG, FAILED, guarded
from crons.job import Fill
from crons.parts import system_clock
from crons.registry import find_job, find_job_with_past
from crons.runner import Request, execute

MAX_HOURS = 24 * 366 * 10
HEAL_HOURS = 168

_Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

log = structlog.get_logger(__name__)


def main(
    arguments: Sequence[str] | None = None,
    *,
    clock: Callable[[], datetime] | None = None,
    env_file: Path | None = ENV_FILE,
) -> int:
    """Run a job and say what happened.

    Args:
        arguments: as on the command line; None takes the process's own.
        clock: gives the aware time; None takes the system's.
        env_file: where the settings are that the environment does not hold; None: nowhere.

    Returns:
        The exit code, see `crons.exits`.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        # By the command that was typed; argparse itself would name that of the hourly run.
        options.command.error(f"unrecognized arguments: {' '.join(unknown)}")
    clock = clock or system_clock
    structlog.contextvars.bind_contextvars(job=options.name)
    return guarded(
        lambda: _run(options, clock, env_file),
        tell=_log_error,
        clock=clock,
        log_format=lambda: load_log_format(env_file),
    )


def _run(options: argparse.Namespace, clock: Callable[[], datetime], env_file: Path | None) -> int:
    """The exit code of what the command line asks for."""
    request = _request(options)
    settings = load_settings(env_file)
    level = "ERROR" if settings.log_level == "ERROR" else "WARNING" if options.quiet else settings.log_level
    set_up_logging(
        level=level,
        form=settings.log_format,
        secrets=settings.secrets(),
        clock=clock,
        colours=not settings.no_color,
    )
    return FAILED if execute(request, settings, clock).failures else DONE


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


def _request(options: argparse.Namespace) -> Request:
    """What the command line asks for.

    Raises:
        ConfigurationError: there is no such job, or none with a past where past hours are asked for.
    """
    if options.hours is None:
        return Request(options.name, find_job(options.name))
    fill = Fill(options.hours, options.dry_run, options.all, options.max_credits)
    return Request(options.name, find_job_with_past(options.name), "heal" if options.heals else "backfill", fill)


def _parser() -> argparse.ArgumentParser:
    """Its parts bear the names of the commands of run.sh: that is what people type."""
    example = "Example: ./run.sh cron_run cmc_hourly_prices --quiet."
    parser = argparse.ArgumentParser(prog="./run.sh cron_run", description="Run a job.", epilog=f"{example} {EPILOG}")
    parser.set_defaults(command=parser, hours=None, dry_run=False, quiet=False, heals=False, all=False, max_credits=0)
    parser.add_argument("name", metavar="NAME", help="the job, such as cmc_hourly_prices")
    _add_quiet(parser)
    kinds = parser.add_subparsers(metavar="[backfill HOURS | heal [HOURS]]")
    _add_backfill(kinds)
    _add_heal(kinds)
    return parser


def _add_backfill(kinds: _Kinds) -> None:
    example = "Example: ./run.sh cron_backfill cmc_hourly_prices 168 --dry-run."
    backfill = kinds.add_parser(
        "backfill", prog="./run.sh cron_backfill NAME", help="fill the past hours", epilog=f"{example} {EPILOG}"
    )
    backfill.set_defaults(command=backfill)
    backfill.add_argument("hours", metavar="HOURS", type=_hours, help="how many hours before the present one")
    backfill.add_argument("--dry-run", action="store_true", help="say what it would cost, and stop there")
    _add_quiet(backfill)


def _add_heal(kinds: _Kinds) -> None:
    example = "Example: ./run.sh cron_heal cmc_hourly_prices 168 --max-credits 20."
    heal = kinds.add_parser(
        "heal",
        prog="./run.sh cron_heal [NAME]",
        help="fill those past hours that are missing",
        epilog=f"{example} {EPILOG}",
    )
    heal.set_defaults(command=heal, heals=True)
    heal.add_argument(
        "hours",
        metavar="HOURS",
        type=_hours,
        nargs="?",
        default=HEAL_HOURS,
        help=f"how many hours before the present one to look through ({HEAL_HOURS})",
    )
    heal.add_argument("--dry-run", action="store_true", help="say what is missing and what it would cost, and stop")
    heal.add_argument("--all", action="store_true", help="ask also for hours that the source had no quote for before")
    heal.add_argument(
        "--max-credits",
        metavar="N",
        type=_credits,
        default=Fill.max_credits,
        help=f"spend at most so many credits ({Fill.max_credits}); the rest is left for the next heal",
    )
    _add_quiet(heal)


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quiet", action="store_true", default=argparse.SUPPRESS, help="say only what is wrong: warnings and errors"
    )


if __name__ == "__main__":
    leave(main())

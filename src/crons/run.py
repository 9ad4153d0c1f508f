"""``python -m crons.run NAME [backfill HOURS | heal [HOURS]]``: what cron calls. Arguments in, exit code out."""

from __future__ import annotations

# First: what follows is installed, or is not.
from crons.set_up_guard import guard_imports

if __name__ == "__main__":
    guard_imports()

# isort: split
import argparse
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypedDict

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


class _Help(TypedDict):
    """What a parser says of its command."""

    description: str | None
    epilog: str
    formatter_class: type[argparse.HelpFormatter]


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
    """Parses what cron calls; its parts are named, and explained, as the commands of run.sh that people type."""
    parser = argparse.ArgumentParser(
        usage="./run.sh cron_run [NAME] [--quiet]", **_help_of(cron_run, "cmc_hourly_prices --quiet")
    )
    parser.set_defaults(command=parser, hours=None, dry_run=False, quiet=False, heals=False, all=False, max_credits=0)
    cron_run(parser)
    kinds = parser.add_subparsers(help=argparse.SUPPRESS, metavar="")
    cron_backfill(
        kinds.add_parser(
            "backfill",
            prog="./run.sh cron_backfill NAME",
            **_help_of(cron_backfill, "cmc_hourly_prices 168 --dry-run"),
        )
    )
    cron_heal(
        kinds.add_parser(
            "heal",
            prog="./run.sh cron_heal [NAME]",
            **_help_of(cron_heal, "cmc_hourly_prices 168 --max-credits 20"),
        )
    )
    return parser


def _help_of(command: Callable[[argparse.ArgumentParser], None], arguments: str) -> _Help:
    """What a parser says of a command: its docstring, an example and the exit codes."""
    return {
        "description": inspect.getdoc(command),
        "epilog": f"Example: ./run.sh {command.__name__} {arguments}\n\n{EPILOG}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def cron_run(parser: argparse.ArgumentParser) -> None:
    """Run a job once, in the foreground, as cron does.

    What was fetched is kept in the spool before it is stored, and what an
    earlier run could not store is stored with it. Idempotent: a second run
    of the same hour updates it. In ./run.sh NAME is cmc_hourly_prices when
    not given.
    """
    parser.add_argument("name", metavar="NAME", help="the job, such as cmc_hourly_prices")
    _add_quiet(parser)


def cron_backfill(parser: argparse.ArgumentParser) -> None:
    """Fill the past hours of a job, as many as asked for.

    Fetches each of the HOURS hours before the present one, stored or not.
    It says first what that costs and what the key has left, and refuses
    what the key cannot pay. Needs CMC_API_KEY.
    """
    parser.set_defaults(command=parser)
    parser.add_argument("hours", metavar="HOURS", type=_hours, help="how many hours before the present one")
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost, and stop there")
    _add_quiet(parser)


def cron_heal(parser: argparse.ArgumentParser) -> None:
    """Fill the past hours of a job that are missing.

    Hours that CoinMarketCap had no quote for are remembered and not asked
    for again, unless --all. Hours before a symbol's first stored one are
    filled too, so that a new symbol gets its last week; status, verify and
    report count from the first stored one on. Needs CMC_API_KEY. In
    ./run.sh NAME is cmc_hourly_prices when not given.
    """
    parser.set_defaults(command=parser, heals=True)
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
        default=Fill.max_credits,
        help=f"spend at most N credits ({Fill.max_credits}); the rest is left for the next heal",
    )
    _add_quiet(parser)


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quiet", action="store_true", default=argparse.SUPPRESS, help="log only what is wrong: warnings and errors"
    )


if __name__ == "__main__":
    leave(main())

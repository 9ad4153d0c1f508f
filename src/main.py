"""The command line: every command, here or in a module of ``commands``."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Annotated

from crons.registry import MAIN_JOB
from crons.start_up import prepare

if __name__ == "__main__":
    prepare()

# isort: split
import typer

from commands.interface import (  # isort: skip
    MODULES, End, First, Hours, JobName, LogQuiet, MaxCredits, NameOrHours, Symbols, app, become, command,
    name_and_hours, start_job,
)  # fmt: skip
from crons.exits import DONE, FAILED, leave

__all__ = ["app"]

# Every command that is not below, and its module of ``commands``, which is imported when the command is used.
MODULES.update(
    check="check", config="check", verify="check", jobs="cron", setup_cron="cron", remove_cron="cron", runs="runs",
    kill="runs", setup_db="tables", backup="tables", restore="tables", drop_db="tables", clean="tables", coins="coins",
    compare="compare", export="export", query="query", report="report", status="status",
)  # fmt: skip


@command()
def demo() -> None:
    """Show the main job at work, with simulated prices.

    A run, the same run again and a backfill of 48 hours, against a simulated CoinMarketCap on this machine and a
    database that is removed afterwards. Needs no key, no ClickHouse server and no .env, and never touches your data.
    """
    from sandbox.demo import main  # noqa: PLC0415

    raise typer.Exit(main())


@command()
def install(
    *,
    embedded: Annotated[  # noqa: ARG001 - run.sh reads it
        bool, typer.Option("--embedded", help="with the embedded engine, regardless of CLICKHOUSE_HOST")
    ] = False,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="with what export needs to write xlsx")] = False,  # noqa: ARG001 - as above
) -> None:
    """Install what the program needs into .venv.

    Every command does this by itself when packages are missing or older than the requirements. After an update of the
    checkout, run it before cron's next run. It installs the versions of requirements.txt and checks each file against
    its hash, with uv if it is on PATH, else with pip.

    The embedded engine, by far the largest part, is left out while CLICKHOUSE_HOST names a server.

    PYTHON=python3.12 in the environment chooses the Python, 3.10 to 3.14.
    """
    engine = "with" if find_spec("chdb") else "without"
    typer.echo(f"ready: Python {sys.version.split()[0]} in {sys.prefix}, {engine} the embedded engine")


@command("cmc_hourly_prices --quiet")
def cron_run(context: typer.Context, name: JobName = MAIN_JOB, *, quiet: LogQuiet = False) -> None:
    """Run a job once, in the foreground, as cron does.

    Fetched rows are kept in the spool before they are stored, and rows that an earlier run could not store are stored
    too. Idempotent: a second run in the same hour updates its rows.
    """
    start_job(context, name=name, quiet=quiet)


@command("--from 2026-11-01 --to 2026-11-08 --dry-run")
def cron_backfill(
    context: typer.Context,
    name: NameOrHours = None,
    hours: Hours = None,
    *,
    first: First = None,
    end: End = None,
    symbols: Symbols = None,
    max_credits: MaxCredits = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the cost only")] = False,
    quiet: LogQuiet = False,
) -> None:
    """Fill past hours of a job, missing or not.

    Fetches the HOURS hours before the present one, or those from one TIME to another. A TIME is a day, 2026-11-01, or
    an hour, "2026-11-01 05:00", Tehran time; a day given by --to is not included. It first shows the cost and the
    remaining credits, and refuses what the key cannot pay. With --max-credits, the earliest hours are fetched first.
    CoinMarketCap requires CMC_API_KEY.
    """
    start_job(
        context, kind="backfill", **name_and_hours(name, hours), first=first, end=end, symbols=symbols,
        max_credits=max_credits, dry_run=dry_run, quiet=quiet,
    )  # fmt: skip


@command("cmc_hourly_prices 168 --max-credits 20")
def cron_heal(
    context: typer.Context,
    name: NameOrHours = None,
    hours: Hours = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the missing hours and the cost only")] = False,
    ask_all: Annotated[bool, typer.Option("--all", help="also hours for which the source had no quote")] = False,
    max_credits: MaxCredits = None,
    quiet: LogQuiet = False,
) -> None:
    """Fill the missing past hours of a job.

    Looks at the last 168 hours by default and spends at most 100 credits by default; the next heal continues. Hours
    for which the source had no quote are remembered and not requested again, unless --all. Hours before a symbol's
    first stored one are filled too, so a new symbol gets its last week; status, verify and report count from the first
    stored one. CoinMarketCap requires CMC_API_KEY.
    """
    start_job(
        context, kind="heal", **name_and_hours(name, hours), dry_run=dry_run, ask_all=ask_all, max_credits=max_credits,
        quiet=quiet,
    )  # fmt: skip


_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@command("tests/crons -k install", context_settings=_PASSED_ON, options_metavar="[PYTEST ARGUMENTS]")
def test(context: typer.Context) -> None:
    """Run the test suite, or a part of it.

    The arguments are pytest's. Without any, the tests run in parallel.
    """
    processes = 2 * (os.cpu_count() or 1)  # many tests wait more than they compute
    become("pytest", *(context.args or ["--numprocesses", str(processes), "--dist", "worksteal"]))


@command("--tiny", context_settings=_PASSED_ON, options_metavar="[BENCHMARK ARGUMENTS]")
def bench(context: typer.Context) -> None:
    """Measure what the program costs, against its rivals.

    The results of a full measurement are in benchmarks/RESULTS.md.
    """
    become("benchmarks", *context.args)


if __name__ == "__main__":
    try:
        app(prog_name="./run.sh")
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else FAILED if end.code else DONE)

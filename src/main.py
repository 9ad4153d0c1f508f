"""The commands of run.sh but for those of cron and bench: their names, arguments and help. Each loads only its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from crons import MAIN_JOB
from crons.exits import EPILOG, guarded

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
JobName = Annotated[str, typer.Argument(metavar="NAME", help="the job")]
JobOption = Annotated[str, typer.Option("--job", metavar="NAME", help="the job whose table it is")]
Heal = Annotated[bool, typer.Option("--heal", help="the daily line that fills missing hours, not the job's own")]
Backup = Annotated[bool, typer.Option("--backup", help="the daily line that backs every table up")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print only what is wrong, and what was asked for")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show the change and make none")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]

_Command = TypeVar("_Command", bound=Callable[..., None])


def _command(arguments: str = "", **settings: Any) -> Callable[[_Command], _Command]:
    """Make a command of the function, named like it; its docstring is the help, and its first line what run.sh lists.

    Args:
        arguments: those of the example.
        settings: typer's own.
    """

    def register(function: _Command) -> _Command:
        name = function.__name__
        told = (getdoc(function) or "").replace("\n\n- ", "\n\n\b\n- ")  # click leaves what follows \b as it stands
        epilog = f"Example: ./run.sh {name} {arguments}".rstrip() + f"\n\n\b\n{EPILOG}"
        return app.command(name, help=told, epilog=epilog, **settings)(function)

    return register


# Every import inside a command: what a command does not need is not loaded.


@_command()
def demo() -> None:
    """Show the main job at work, with simulated prices.

    A run, the same run again and a backfill of 48 hours, against a stand-in for CoinMarketCap on this machine and a
    database of their own, which is gone afterwards. Needs no key, no ClickHouse server and no .env, and never touches
    your data.
    """
    from sandbox.demo import main  # noqa: PLC0415

    raise typer.Exit(main())


@_command()
def install(
    *,
    embedded: Annotated[  # noqa: ARG001 - run.sh reads it: without packages there is no Python that could
        bool, typer.Option("--embedded", help="with the embedded engine, whatever CLICKHOUSE_HOST is")
    ] = False,
) -> None:
    """Install what the program needs into .venv.

    Every command does this by itself when something is missing or older than the requirements; after an update of the
    checkout do it before cron's next run. It takes the versions of requirements.txt, each file checked against its
    hash, with uv where that is on PATH and with pip otherwise.

    The embedded engine, by far the largest part, is left out while CLICKHOUSE_HOST names a server.

    PYTHON=python3.12 in the environment chooses the Python, of 3.10 to 3.13.
    """
    engine = "with" if find_spec("chdb") else "without"
    typer.echo(f"ready: Python {sys.version.split()[0]} in {sys.prefix}, {engine} the embedded engine")


@_command()
def check() -> None:
    """Look at everything that the jobs in use need.

    A row for each thing, and what to do where one is not as it should be: this Python, .env and its settings, the
    folders, ClickHouse and the table, CoinMarketCap and the key, rows that wait, the crontab and its lines. Exit code 1
    if something is missing that a job cannot do without.
    """
    from commands.check import check as look  # noqa: PLC0415

    _finish(look)


@_command()
def setup_db() -> None:
    """Create the database, the table and its views.

    Only what is missing is created. Idempotent.
    """
    from commands.tables import set_up  # noqa: PLC0415

    _finish(set_up)


@_command('--schedule "5 * * * *" --dry-run')
def setup_cron(
    name: JobName = MAIN_JOB,
    *,
    schedule: Annotated[str | None, typer.Option(help="a cron expression, in this host's time zone")] = None,
    heal: Heal = False,
    backup: Backup = False,
    dry_run: DryRun = False,
) -> None:
    """Install a job's crontab line.

    The line stands in a block marked with this checkout's path; every other line stays, and the previous crontab is
    kept in backups/. --heal installs a second line, a daily cron_heal, and --backup a daily backup of every table that
    keeps the latest 30. Idempotent.
    """
    from commands.cron import install  # noqa: PLC0415

    _finish(lambda: install(name, schedule=schedule, heal=heal, backup=backup, dry_run=dry_run))


@_command("--json")
def status(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="one job; all of them without it")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON object, for machines")] = False,
    everything: Annotated[bool, typer.Option("--all", help="every symbol, also beyond a screenful")] = False,
) -> None:
    """Show the last runs, the missing hours and the prices.

    Exit code 1 if something needs attention:

    - no successful run, or no price of a symbol, for two hours, or for two
      of the longest intervals of the schedule
    - two runs or two heals in a row failed, the last of the heals within
      eight days
    - an hour of the last 30 days that has been missing for a day, or for two
      of the longest intervals of the heal that is installed; verify looks
      further back
    - rows or records of runs that have waited in the spool for over an
      hour, or a damaged file of it
    - a database that does not answer, or that another process has had open
      for as long as a run may be old
    - no backup for two of its intervals, where one is installed
    """
    from commands.status import status as look  # noqa: PLC0415

    _finish(lambda: look(name, as_json=json, everything=everything))


@_command()
def jobs() -> None:
    """List the jobs, their schedules and their crontab lines."""
    from commands.cron import show  # noqa: PLC0415

    _finish(show)


@_command("720")
def report(
    hours: Annotated[
        int, typer.Argument(metavar="HOURS", min=1, max=100_000, help="hours before the present one")
    ] = 168,
    *,
    keep: Annotated[int, typer.Option(metavar="N", min=1, help="remove older reports beyond the latest N")] = 30,
    quiet: Quiet = False,
) -> None:
    """Write an HTML report of prices, coverage and runs.

    One file in reports/. It needs no network: open it in any browser, send it to anyone.
    """
    from commands.report import report as write  # noqa: PLC0415

    _finish(lambda: write(hours, keep=keep, quiet=quiet))


@_command("prices.parquet --symbols BTC,ETH --from 2026-11-01")
def export(
    target: Annotated[str, typer.Argument(metavar="FILE", help="where to, or - for stdout")] = "-",
    job: JobOption = MAIN_JOB,
    *,
    form: Annotated[
        str | None, typer.Option("--format", help="csv, parquet, jsonl or arrow; by default the ending of FILE")
    ] = None,
    view: Annotated[str, typer.Option(help="hourly, daily, latest, or runs")] = "hourly",
    symbols: Annotated[str, typer.Option(metavar="BTC,ETH", help="only these")] = "",
    first: Annotated[str | None, typer.Option("--from", metavar="TIME", help="the first hour or day")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="the first that is left out")] = None,
    utc: Annotated[bool, typer.Option("--utc", help="TIMEs, and the column time, in UTC")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace FILE")] = False,
) -> None:
    """Write stored prices to a file.

    ClickHouse writes it, and it is there as a whole or not at all. A TIME is a day, 2026-11-01, or an hour,
    "2026-11-01 05:00", of Tehran's clock unless --utc; a day as --to is left out itself. In csv and jsonl the column
    time is text by that clock, in UTC with a Z; in parquet and arrow it is an instant with its zone.
    """
    from commands.export import export as write  # noqa: PLC0415

    _finish(
        lambda: write(
            target, job=job, form=form, view=view, symbols=symbols, first=first, end=end, utc=utc, force=force
        )
    )


@_command('"SELECT * FROM crypto_prices_latest"')
def query(
    sql: Annotated[str | None, typer.Argument(metavar="SQL", help="one statement that reads")] = None,
    *,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or parquet")] = "table",
    everything: Annotated[bool, typer.Option("--all", help="every row, not the first 1,000 of a table")] = False,
) -> None:
    """Ask the database with a statement of your own.

    It only reads: ClickHouse refuses whatever would change something or reach out of the database. Without SQL, the
    tables and views with their columns and what these hold.
    """
    from commands.query import query as ask  # noqa: PLC0415

    _finish(lambda: ask(sql, form=form, every_row=everything))


@_command()
def verify(*, quiet: Quiet = False) -> None:
    """Look through the stored prices for faults.

    Another shape than the program makes, duplicate keys, keys that disagree with their time, future rows, absurd
    prices, symbols with prices of two coins, missing hours, stuck mutations, and where two sources are stored, whether
    they agree on the last week. Exit code 1 with the list if there is any.
    """
    from commands.verify import verify as look  # noqa: PLC0415

    _finish(lambda: look(quiet=quiet))


@_command("720 --tolerance 2")
def compare(
    hours: Annotated[
        int, typer.Argument(metavar="HOURS", min=1, max=100_000, help="hours before the present one")
    ] = 168,
    *,
    tolerance: Annotated[
        float, typer.Option(metavar="PERCENT", min=0, max=1_000_000, help="how far prices may be apart")
    ] = 1.0,
    json: Annotated[bool, typer.Option("--json", help="one JSON object, for machines")] = False,
) -> None:
    """Compare the stored prices of the two sources.

    CoinMarketCap's with Binance's, for each symbol and hour that both have: the median distance, the bias, the largest
    deviation, and the hours over the tolerance. Exit code 1 with their list if there are any, or if prices are clearly
    stale or shifted by an hour. Read-only: an hour that one source lacks is never filled from the other.
    """
    from commands.compare import compare as look  # noqa: PLC0415

    _finish(lambda: look(hours, tolerance=tolerance, as_json=json))


@_command("--accept BTC:1")
def coins(
    *,
    reset: Annotated[str, typer.Option(metavar="SYMBOL", help="forget its coin: the next run looks it up again")] = "",
    accept: Annotated[str, typer.Option(metavar="SYMBOL:ID", help="confirm that the symbol means this coin now")] = "",
) -> None:
    """Show which coin each symbol means, or change it.

    Without an option, a row for each symbol and coin: CoinMarketCap's id, the name, since when prices are stored under
    it. A symbol keeps its coin; an id in SYMBOLS that is not the stored coin's is refused by name until --accept
    confirms it. Stored prices stay as they are.
    """
    from commands.coins import accept as take  # noqa: PLC0415
    from commands.coins import reset as forget  # noqa: PLC0415
    from commands.coins import show  # noqa: PLC0415

    if reset and accept:
        raise typer.BadParameter("give --reset or --accept, not both")
    _finish(lambda: forget(reset) if reset else take(accept) if accept else show())


@_command("--keep 30")
def backup(
    *,
    keep: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="remove older backups of a table beyond the latest N")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Copy the tables to backups/ and verify the copies.

    A file for each job's table, as drop_db makes it and restore puts it back, read back before it counts. Only files
    that backup and drop_db have named are ever removed, and only after the new one was verified.
    """
    from commands.tables import back_up  # noqa: PLC0415

    _finish(lambda: back_up(keep, quiet=quiet))


@_command("backups/FILE")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a backup, as drop_db named it")],
    job: Annotated[str, typer.Option(metavar="NAME", help="the job whose backup it is")] = MAIN_JOB,
    *,
    quiet: Quiet = False,
) -> None:
    """Put a backup back into the table.

    By the same upsert as every run's: rows whose key is in the backup take its values, the others stay.
    """
    from commands.tables import put_back  # noqa: PLC0415

    _finish(lambda: put_back(file.resolve(), job, quiet=quiet))


@_command()
def kill() -> None:
    """End the running jobs of this checkout.

    Only those, and it says which: SIGTERM first, SIGKILL after a grace time of ten seconds.
    """
    from commands.kill import end_all  # noqa: PLC0415

    _finish(end_all)


@_command("--dry-run")
def remove_cron(
    name: JobName = MAIN_JOB, *, heal: Heal = False, backup: Backup = False, dry_run: DryRun = False
) -> None:
    """Remove a job's crontab line.

    Every other line stays, and the previous crontab is kept in backups/. --heal and --backup remove the lines of
    setup_cron --heal and --backup instead. Idempotent.
    """
    from commands.cron import remove  # noqa: PLC0415

    _finish(lambda: remove(name, heal=heal, backup=backup, dry_run=dry_run))


@_command("--yes")
def drop_db(*, yes: Yes = False, quiet: Quiet = False) -> None:
    """Back up the table, verify the copy, drop the table.

    The whole table is exported to backups/. On a terminal it asks first, unless --yes; without a terminal it goes on,
    since there is the backup.
    """
    from commands.tables import drop  # noqa: PLC0415

    _finish(lambda: drop(unasked=yes, quiet=quiet))


@_command("--yes")
def clean(*, yes: Yes = False) -> None:
    """Start anew: kill, drop_db, setup_db, cron_run.

    The first of them that fails ends it. Running jobs are ended before anything else; then, as drop_db does, it asks
    on a terminal unless --yes, and makes a backup.
    """
    from commands.kill import end_all  # noqa: PLC0415
    from commands.tables import drop, set_up  # noqa: PLC0415

    _finish(lambda: end_all() or drop(unasked=yes, quiet=False) or set_up() or _become("crons.run", MAIN_JOB))


@_command(
    "tests/crons -k install",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[PYTEST ARGUMENTS]",
)
def test(context: typer.Context) -> None:
    """Run the test suite, or the part that is asked for.

    The arguments are those of pytest. Without any, a process for each processor and one more share the tests: much of
    their time is waiting.
    """
    processes = (os.cpu_count() or 1) + 1
    _become("pytest", *(context.args or ["--numprocesses", str(processes), "--dist", "worksteal"]))


def _become(module: str, *arguments: str) -> NoReturn:
    """Go on as another program of this Python, so that signals reach it and its exit code is this one's."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is wanted


def _finish(action: Callable[[], int]) -> None:
    """Run a command's action and end with its exit code."""
    # Help needs neither settings nor what a run is made of.
    from commands.screen import tell_error  # noqa: PLC0415
    from crons.resources import system_clock  # noqa: PLC0415

    raise typer.Exit(guarded(action, tell=tell_error, clock=system_clock))


if __name__ == "__main__":
    app(prog_name="./run.sh")

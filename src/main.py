"""The command line: every command, with its options and its help. What a command does is in `commands`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from crons.registry import MAIN_JOB
from crons.start_up import prepare

if __name__ == "__main__":
    prepare()

# isort: split
import typer
from typer.core import TyperCommand, TyperGroup

from crons.exits import DONE, EPILOG, FAILED, USAGE, become, guarded, leave

if TYPE_CHECKING:  # the help needs no job
    from crons.job import Kind

JobName = Annotated[str, typer.Argument(metavar="NAME", help="the job")]
OneJob = Annotated[str | None, typer.Argument(metavar="NAME", help="one job; default: all")]
NameOrHours = Annotated[str | None, typer.Argument(metavar="NAME", help="the job")]
Hours = Annotated[str | None, typer.Argument(metavar="HOURS", help="how many hours before the present one")]
PastHours = Annotated[int, typer.Argument(metavar="HOURS", min=1, max=100_000, help="hours before the present one")]
First = Annotated[str | None, typer.Option("--from", metavar="TIME", help="the first hour or day")]
End = Annotated[str | None, typer.Option("--to", metavar="TIME", help="the first hour or day left out")]
Symbols = Annotated[str | None, typer.Option(metavar="BTC,ETH", help="only these symbols")]
MaxCredits = Annotated[int | None, typer.Option(metavar="N", min=0, help="spend at most N credits")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object, for machines")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print errors and requested output only")]
LogQuiet = Annotated[bool, typer.Option("--quiet", help="log warnings and errors only")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
Heal = Annotated[bool, typer.Option("--heal", help="the daily line that fills missing hours, not the job's own")]
Backup = Annotated[bool, typer.Option("--backup", help="the daily line that backs up every table")]
Watch = Annotated[bool, typer.Option("--watch", help="the daily line that reports what needs attention")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="preview the change")]


class _Plain(TyperCommand):
    """A command whose help names arguments by their metavars alone, as it does options."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Without the types that Typer adds to some of them."""
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                vars(parameter)["display_type_rich"] = lambda ctx: ""  # noqa: ARG005 - as Typer's
        super().format_help(ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Without the braces that Typer puts around required ones."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class _Commands(TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of that name; an unknown one is the last line, with what was probably meant."""
        name = args[0]
        if name in self.commands:
            return super().resolve_command(ctx, args)
        close = " or ".join(get_close_matches(name, self.commands))
        hint = f"did you mean {close}?" if close else "./run.sh help lists them"
        typer.echo(f"unknown command: {name}; {hint}", err=True)
        raise typer.Exit(USAGE)


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def command(arguments: str = "", **settings: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of the function, named like it; its docstring is the help, and `arguments` are the example's."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        name = function.__name__
        epilog = f"Example: ./run.sh {name} {arguments}".rstrip() + f"\n\n\b\n{EPILOG}"
        return app.command(name, cls=_Plain, epilog=epilog, **settings)(function)

    return register


def do(work: str, options: dict[str, Any]) -> NoReturn:
    """End with the exit code of a function of `commands`, imported only now; its errors become lines on stderr."""
    from commands.screen import tell_error  # noqa: PLC0415
    from crons.resources import system_clock  # noqa: PLC0415

    module, _, name = work.partition(".")
    run = partial(getattr(import_module(f"commands.{module}"), name), **options)
    raise typer.Exit(guarded(run, tell=tell_error, clock=system_clock))


def start_job(
    kind: Kind, context: typer.Context, name: str | None, hours: str | None = None, **options: Any
) -> NoReturn:
    """Run a job; tests hand a clock in. A lone word that does not begin with a letter is the hours, not the name."""
    from crons.job import Request  # noqa: PLC0415
    from crons.resources import system_clock  # noqa: PLC0415
    from crons.run import start  # noqa: PLC0415

    if kind != "run" and hours is None and name and not name[0].isalpha():
        name, hours = None, name
    if hours is not None and not (hours.isdecimal() and int(hours)):
        raise typer.BadParameter(f"{hours!r} is not a whole number of hours, 1 or more")
    request = Request(MAIN_JOB if name is None else name, kind, hours=int(hours) if hours else None, **options)
    raise typer.Exit(start(request, context.obj or system_clock))


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


@command()
def check(*, as_json: Json = False) -> None:
    """Check the jobs' prerequisites.

    One row each, and how to fix it: this Python, .env and its settings, folders and disks, ClickHouse and the table,
    the source, its key and the symbols, pending rows, the crontab and its lines. Exit code 1 if a job cannot work.
    """
    do("check.check", locals())


@command()
def setup_db() -> None:
    """Create the database, the tables and their views.

    Only what is missing is created. Idempotent.
    """
    do("tables.setup_db", locals())


@command('--schedule "5 * * * *" --dry-run')
def setup_cron(
    name: JobName = MAIN_JOB,
    *,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="a cron expression, in this host's time zone")
    ] = None,
    heal: Heal = False,
    backup: Backup = False,
    watch: Watch = False,
    dry_run: DryRun = False,
) -> None:
    """Install a job's crontab line.

    The line goes into a block marked with this checkout's path. Other lines stay, and the previous crontab is kept in
    backups/. An installed line keeps its schedule, unless --schedule; a new one starts when an hour begins in Tehran.
    --heal installs a second line, a daily cron_heal; --backup a daily backup of every table that keeps the latest 30;
    --watch a daily status --quiet. Idempotent.
    """
    do("cron.setup_cron", locals())


@command("cmc_hourly_prices --quiet")
def cron_run(context: typer.Context, name: JobName = MAIN_JOB, *, quiet: LogQuiet = False) -> None:
    """Run a job once, in the foreground, as cron does.

    Fetched rows are kept in the spool before they are stored, and rows that an earlier run could not store are stored
    too. Idempotent: a second run in the same hour updates its rows.
    """
    start_job("run", **locals())


@command("--json")
def status(
    name: OneJob = None,
    *,
    as_json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="every symbol, also beyond one screen")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="only what needs attention, for cron")] = False,
) -> None:
    """Show the last runs, the missing hours and the prices.

    Exit code 1 if something needs attention: no success, or no price of a symbol, for two intervals of the schedule; an
    hour missing for a day or two intervals of the heal; two failures in a row; pending or damaged rows in the spool; a
    database that does not answer; no backup for two intervals; no cron daemon. docs/operating.md has the details.

    With --quiet, unless on a terminal, it also pings HEALTHCHECK_URL_STATUS, and ALERT_COMMAND receives what is wrong.
    """
    do("status.status", locals())


@command("50")
def runs(
    count: Annotated[int, typer.Argument(metavar="N", min=1, max=100_000, help="how many")] = 20,
    *,
    as_json: Json = False,
) -> None:
    """List the last runs and why runs failed."""
    do("runs.runs", locals())


@command()
def config() -> None:
    """Show the settings and where each was set.

    In the environment, in a line of .env, or by default. Keys, passwords, healthcheck addresses and ALERT_COMMAND are
    masked.
    """
    do("check.config", locals())


@command("--json")
def jobs(*, as_json: Json = False) -> None:
    """List the jobs, their schedules and their crontab lines."""
    do("cron.jobs", locals())


@command("720")
def report(
    hours: PastHours = 168,
    *,
    keep: Annotated[int, typer.Option(metavar="N", min=1, help="remove older reports beyond the latest N")] = 30,
    quiet: Quiet = False,
) -> None:
    """Write an HTML report of prices, coverage and runs.

    One file in reports/. It needs no network: open it in any browser, send it to anyone.
    """
    do("report.report", locals())


@command()
def verify(*, as_json: Json = False, quiet: Quiet = False) -> None:
    """Check the stored prices.

    For an unexpected schema, duplicate keys, keys that disagree with their time, future rows, absurd prices, symbols
    with prices of two coins, missing hours, stuck mutations, and, if two sources are stored, deviations in the last
    week. Exit code 1 with the list if anything is found.
    """
    do("check.verify", locals())


@command("720 --tolerance 2")
def compare(
    hours: PastHours = 168,
    *,
    tolerance: Annotated[
        float, typer.Option(metavar="PERCENT", min=0, max=1_000_000, help="the largest accepted deviation")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Compare the stored prices of the two sources.

    CoinMarketCap's with Binance's, for each symbol and hour that both have: the median and the largest deviation, and
    the hours over the tolerance. Exit code 1 with their list if there are any, or if prices are certainly stale,
    shifted by an hour, or swapped between two symbols. Read-only: a source never fills an hour of the other.
    """
    do("compare.compare", locals())


@command('"SELECT * FROM crypto_prices_latest"')
def query(
    sql: Annotated[str | None, typer.Argument(metavar="SQL", help="one read-only statement")] = None,
    *,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table, csv, json or parquet")] = "table",
    every_row: Annotated[bool, typer.Option("--all", help="every row, not the first 1,000 of a table")] = False,
) -> None:
    """Run your own read-only SQL.

    ClickHouse refuses statements that change anything or reach outside the database. Without SQL, lists the tables and
    views with their columns and what they hold.
    """
    do("query.query", locals())


@command("prices.parquet --symbols BTC,ETH --from 2026-11-01")
def export(
    target: Annotated[str, typer.Argument(metavar="FILE", help="the file to write, or - for stdout")] = "-",
    job: Annotated[str, typer.Option("--job", metavar="NAME", help="the job whose table it is")] = MAIN_JOB,
    *,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="csv, parquet, jsonl, arrow or xlsx; default: the extension of FILE"
        ),
    ] = None,
    view: Annotated[
        str,
        typer.Option(metavar="VIEW", help="hourly, hours, daily, weekly, monthly, monthly_gregorian, latest, or runs"),
    ] = "hourly",
    symbols: Symbols = None,
    columns: Annotated[str | None, typer.Option(metavar="TIME,PRICE", help="only these columns")] = None,
    first: First = None,
    end: End = None,
    utc: Annotated[bool, typer.Option("--utc", help="TIMEs, and the column time, in UTC")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace FILE")] = False,
) -> None:
    """Write stored prices to a file.

    The file appears complete or not at all, ordered by symbol and time; one that ends in .gz is compressed. A TIME is a
    day, 2026-11-01 or 1405-08-10, or an hour, "2026-11-01 05:00", Tehran time unless --utc; a day given by --to is not
    included. In csv and jsonl the column time is text, with a Z if it is in UTC; in parquet and arrow it is an instant
    with its zone.
    """
    do("export.export", locals())


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
    start_job("heal", **locals())


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
    start_job("backfill", **locals())


@command("--accept BTC:1")
def coins(
    *,
    reset: Annotated[str, typer.Option(metavar="SYMBOL", help="forget its coin: the next run looks it up again")] = "",
    accept: Annotated[str, typer.Option(metavar="SYMBOL:ID", help="confirm that the symbol means this coin now")] = "",
    rename: Annotated[str, typer.Option(metavar="SYMBOL:NEW", help="the coin's ticker has changed")] = "",
    everything: Annotated[bool, typer.Option("--all", help="every coin, not only the ten largest of top:N")] = False,
) -> None:
    """Show which coin each symbol means, or change it.

    Without an option, a row for each symbol and coin: CoinMarketCap's id, the name, since when prices are stored under
    it. A symbol keeps its coin; an id in SYMBOLS that is not the stored coin's is refused until --accept confirms it.
    Stored prices stay as they are. After --rename the views show a coin's prices under its new ticker.
    """
    do("coins.coins", locals())


@command("--keep 30")
def backup(
    *,
    keep: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="remove older backups made with --keep beyond the latest N")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="confirm that the tables are as small as they are")] = False,
    quiet: Quiet = False,
) -> None:
    """Copy the tables to a new folder and verify the copies.

    The folder, in BACKUP_PATH, holds prices, holes and run history, a file for each table that has rows. Backups made
    by drop_db or without --keep are never removed. If prices have shrunk to less than half, none is, until --accept.
    """
    do("tables.backup", locals())


@command("backups/FOLDER")
def restore(
    path: Annotated[Path, typer.Argument(metavar="FOLDER", help="a backup, or one file of it")],
    *,
    quiet: Quiet = False,
) -> None:
    """Put a backup back into its tables.

    By the same upsert as a run's: rows whose key is in the backup take its values, the others stay. Of holes and runs
    only those that are missing are stored. Nothing changes if a file is damaged.
    """
    do("tables.restore", locals())


@command()
def kill() -> None:
    """End the running jobs of this checkout.

    Sends SIGTERM, and SIGKILL after ten seconds. Other checkouts' jobs are not affected.
    """
    do("runs.kill", locals())


@command("--all --dry-run")
def remove_cron(
    name: JobName = MAIN_JOB,
    *,
    heal: Heal = False,
    backup: Backup = False,
    watch: Watch = False,
    everything: Annotated[bool, typer.Option("--all", help="every line of this checkout")] = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a job's crontab line.

    Other lines stay, and the previous crontab is kept in backups/. --heal, --backup and --watch remove the lines of
    setup_cron with the same option instead. Idempotent.
    """
    do("cron.remove_cron", locals())


@command("cmc_hourly_prices --yes")
def drop_db(name: OneJob = None, *, unasked: Yes = False, quiet: Quiet = False) -> None:
    """Back up the tables, verify the copies, drop the tables.

    It asks first, unless --yes, which it needs without a terminal.
    """
    do("tables.drop_db", locals())


@command("cmc_hourly_prices --yes")
def clean(name: OneJob = None, *, unasked: Yes = False) -> None:
    """Start over: kill, drop_db, setup_db, cron_run.

    The first of them that fails ends it. It asks before dropping, unless --yes, which it needs without a terminal.
    """
    do("tables.clean", locals())


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

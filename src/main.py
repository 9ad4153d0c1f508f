"""Operator commands that are no job: their names, arguments and help. Each loads only what it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from adapters._bases.errors import EtlError
from crons.exits import EPILOG, guarded
from crons.parts import system_clock
from crons.registry import MAIN_JOB

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Operator commands of Data Processor.",
    epilog=EPILOG,
)
JobName = Annotated[str, typer.Argument(metavar="NAME", help="the job")]
Heal = Annotated[bool, typer.Option("--heal", help="the daily line that fills missing hours, not the job's own")]
Quiet = Annotated[bool, typer.Option("--quiet", help="say only what is wrong, and what was asked for")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show the change, make none")]

# Every import inside a command: what a command does not need is not loaded.


@app.command("check", epilog=f"Example: ./run.sh check. {EPILOG}")
def check() -> None:
    """Look at everything the main job and those in the crontab need, one row each; exit 1 if something is missing."""
    from commands.check import check as look  # noqa: PLC0415

    _finish(look)


@app.command("setup_db", epilog=f"Example: ./run.sh setup_db. {EPILOG}")
def setup_db() -> None:
    """Make the database, the table and the view where they are missing. Harmless to repeat."""
    from commands.tables import set_up  # noqa: PLC0415

    _finish(set_up)


@app.command("drop_db", epilog=f"Example: ./run.sh drop_db --yes. {EPILOG}")
def drop_db(*, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False, quiet: Quiet = False) -> None:
    """Export the table to backups/, verify the copy, then drop the table. Asks on a terminal, unless --yes."""
    from commands.tables import drop  # noqa: PLC0415

    _finish(lambda: drop(unasked=yes, quiet=quiet))


@app.command("restore", epilog=f"Example: ./run.sh restore backups/FILE. {EPILOG}")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a backup that drop_db made")],
    job: Annotated[str, typer.Option(help="the job whose backup it is")] = MAIN_JOB,
    *,
    quiet: Quiet = False,
) -> None:
    """Put a backup back by the same upsert as every run's: rows with a key of the backup take its values."""
    from commands.tables import put_back  # noqa: PLC0415

    _finish(lambda: put_back(file.resolve(), job, quiet=quiet))


@app.command("kill", epilog=f"Example: ./run.sh kill. {EPILOG}")
def kill() -> None:
    """End this checkout's running jobs, and only those: SIGTERM, then SIGKILL after a grace time."""
    from commands.kill import end_all  # noqa: PLC0415

    _finish(end_all)


@app.command("setup_cron", epilog=f'Example: ./run.sh setup_cron --schedule "5 * * * *" --dry-run. {EPILOG}')
def setup_cron(
    name: JobName = MAIN_JOB,
    *,
    schedule: Annotated[str | None, typer.Option(help="a cron expression, in this host's time zone")] = None,
    heal: Heal = False,
    dry_run: DryRun = False,
) -> None:
    """Install the job's crontab line. Installing twice changes nothing."""
    from commands.cron import install  # noqa: PLC0415

    _finish(lambda: install(name, schedule=schedule, heal=heal, dry_run=dry_run))


@app.command("remove_cron", epilog=f"Example: ./run.sh remove_cron. {EPILOG}")
def remove_cron(name: JobName = MAIN_JOB, *, heal: Heal = False, dry_run: DryRun = False) -> None:
    """Remove the job's crontab line; every other line stays."""
    from commands.cron import remove  # noqa: PLC0415

    _finish(lambda: remove(name, heal=heal, dry_run=dry_run))


@app.command("jobs", epilog=f"Example: ./run.sh jobs. {EPILOG}")
def jobs() -> None:
    """List the jobs: what each does, its schedule, and whether it is installed in the crontab."""
    from commands.cron import show  # noqa: PLC0415

    _finish(show)


@app.command("status", epilog=f"Example: ./run.sh status --json. {EPILOG}")
def status(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="one job; all of them without it")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON object, for machines")] = False,
    everything: Annotated[bool, typer.Option("--all", help="every symbol, also beyond a screenful")] = False,
) -> None:
    """Say how the last runs went, which hours are missing, what the prices look like; exit 1 if a person is needed."""
    from commands.status import status as look  # noqa: PLC0415

    _finish(lambda: look(name, as_json=json, everything=everything))


@app.command("verify", epilog=f"Example: ./run.sh verify. {EPILOG}")
def verify(*, quiet: Quiet = False) -> None:
    """Look through the stored prices for what may never stand there; exit 1 with the list if anything is wrong."""
    from commands.verify import verify as look  # noqa: PLC0415

    _finish(lambda: look(quiet=quiet))


@app.command("report", epilog=f"Example: ./run.sh report 720. {EPILOG}")
def report(
    hours: Annotated[
        int, typer.Argument(metavar="HOURS", min=1, max=100_000, help="hours before the present one")
    ] = 168,
    *,
    quiet: Quiet = False,
) -> None:
    """Write one HTML file into reports/ with the prices, the coverage and the runs of the last hours."""
    from commands.report import report as write  # noqa: PLC0415

    _finish(lambda: write(hours, quiet=quiet))


def _finish(action: Callable[[], int]) -> None:
    """Run a command's action and end with its exit code."""
    from configurations.config import load_log_format  # noqa: PLC0415 - help needs no settings

    raise typer.Exit(guarded(action, tell=_tell, clock=system_clock, log_format=load_log_format))


def _tell(error: EtlError) -> None:
    """An expected error on stderr: what failed, and the next step."""
    typer.echo(f"error: {error.message}", err=True)
    if error.next_step:
        typer.echo(f"next: {error.next_step}", err=True)


if __name__ == "__main__":
    app(prog_name="run.sh")

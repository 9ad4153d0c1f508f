"""What all commands share: the application, how a command's help looks, and options with one meaning."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from inspect import getdoc
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from configurations.config import PROJECT_ROOT
from crons.exits import EPILOG, USAGE
from crons.registry import MAIN_JOB

JobName = Annotated[str, typer.Argument(metavar="NAME", help="the job")]
OneJob = Annotated[str | None, typer.Argument(metavar="NAME", help="one job; default: all")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print errors and requested output only")]
LogQuiet = Annotated[bool, typer.Option("--quiet", help="log warnings and errors only")]
PastHours = Annotated[int, typer.Argument(metavar="HOURS", min=1, max=100_000, help="hours before the present one")]
Symbols = Annotated[str | None, typer.Option(metavar="BTC,ETH", help="only these symbols")]
First = Annotated[str | None, typer.Option("--from", metavar="TIME", help="the first hour or day")]
End = Annotated[str | None, typer.Option("--to", metavar="TIME", help="the first hour or day left out")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object, for machines")]
NameOrHours = Annotated[str | None, typer.Argument(metavar="NAME", help="the job")]
Hours = Annotated[str | None, typer.Argument(metavar="HOURS", help="how many hours before the present one")]
MaxCredits = Annotated[int | None, typer.Option(metavar="N", min=0, help="spend at most N credits")]

_Command = TypeVar("_Command", bound=Callable[..., None])

MODULES: dict[str, str] = {}  # of the commands that main.py lists, each imported when its command is used


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
        if name in MODULES:
            import_module(f"commands.{MODULES[name]}")
            self.commands = vars(get_command(app))["commands"]
        if name in self.commands:
            return super().resolve_command(ctx, args)
        close = " or ".join(get_close_matches(name, {**self.commands, **MODULES}))
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


def command(arguments: str = "", **settings: Any) -> Callable[[_Command], _Command]:
    """Make a command of the function, named like it; its docstring is the help, and `arguments` are the example's."""

    def register(function: _Command) -> _Command:
        name = function.__name__
        epilog = f"Example: ./run.sh {name} {arguments}".rstrip() + f"\n\n\b\n{EPILOG}"
        return app.command(name, cls=_Plain, help=getdoc(function), epilog=epilog, **settings)(function)

    return register


def become(module: str, *arguments: str) -> NoReturn:
    """Continue as another program of this Python, so that signals reach it and its exit code is this one's."""
    sys.stdout.flush()
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is wanted


def start_job(context: typer.Context, **options: Any) -> NoReturn:
    """Run a job; tests hand a clock in."""
    from crons.job import Request  # noqa: PLC0415
    from crons.resources import system_clock  # noqa: PLC0415
    from crons.run import start  # noqa: PLC0415

    raise typer.Exit(start(Request(**options), context.obj or system_clock))


def name_and_hours(name: str | None, hours: str | None) -> dict[str, Any]:
    """Both may be left out; a lone word that does not begin with a letter is the hours."""
    if name and not name[0].isalpha() and hours is None:
        name, hours = None, name
    if hours is not None and not (hours.isdecimal() and int(hours)):
        raise typer.BadParameter(f"{hours!r} is not a whole number of hours, 1 or more")
    return {"name": name or MAIN_JOB, "hours": hours and int(hours)}

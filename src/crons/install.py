"""A job's crontab line: its text, and installing and removing it.

A checkout keeps its jobs in one block of its own at the top of the crontab, one line a task: a job, or a job's heal::

    # >>> data-processor /srv/data-processor >>>
    0 * * * * cd /srv/data-processor && env PYTHONPATH=… … -m crons.run NAME >> … 2>&1 # NAME
    17 4 * * * cd /srv/data-processor && env PYTHONPATH=… … -m crons.run NAME heal >> … 2>&1 # NAME heal
    # <<< data-processor /srv/data-processor <<<

At the top, because a ``SHELL=`` or ``PATH=`` line of the user holds for the lines below it only, and because a last
line without its newline then stays as it is. The comment that ends a line, one to ``sh`` too, names the line's task.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from adapters._bases.errors import ConfigurationError, StateError
from adapters.system.crontab import Crontab, keep_copy
from crons.schedule import check_schedule

_MAX_COMMAND = 998
"""Bytes of a command that Debian's cron takes: MAX_COMMAND of its cron.h is 1000, newline and end included."""

BACKUP = "backup"
"""The task that copies every job's table; no job has this name."""
BACKUPS_KEPT = 30
"""How many copies of a table the task keeps."""
_TASK = re.compile(r"[a-z][a-z0-9_]*(?: heal)?")
_OUR_LINE = re.compile(rf"[^#\s].* # (?P<task>{_TASK.pattern})\r?\n?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def heal_of(job: str) -> str:
    """The task that heals a job, which has a line of its own beside the job's."""
    return f"{job} heal"


def job_command(*, checkout: Path, python: Path, job: str, log: Path) -> str:
    """The shell command that runs a job in cron's bare environment, before cron's own escapes.

    Args:
        checkout: absolute path of the checkout, which is the job's working folder.
        python: absolute path of the interpreter, as ``.venv/bin/python``, its links not resolved.
        job: the job's name, or `heal_of` it, or `BACKUP`, here and below.
        log: absolute path of the file that stdout and stderr are appended to, in a folder that exists.

    Raises:
        ConfigurationError: a path is relative or holds a control character, or the name cannot be a job's.
    """
    for path in (checkout, python, log):
        _check_path(path)
    _check_job(job)
    folder, program, source, output = (shlex.quote(str(path)) for path in (checkout, python, checkout / "src", log))
    what = f"main {BACKUP} --keep {BACKUPS_KEPT} --quiet" if job == BACKUP else f"crons.run {job}"
    return f"cd {folder} && env PYTHONPATH={source} {program} -m {what} >> {output} 2>&1"


def install_line(current: str, *, checkout: Path, job: str, schedule: str, command: str) -> str:
    """The crontab with this job's line in this checkout's block. Idempotent. Every other character stays.

    A line of the job that is there already is replaced in its place.

    Args:
        current: the present crontab; empty when there is none.
        schedule: see `crons.schedule.check_schedule`.
        command: see `job_command`; ``%`` and the backslash are escaped here, as cron wants it.

    Raises:
        ConfigurationError: a schedule, name, path or command that a crontab line cannot hold.
        StateError: the block has lost one of its marks, or is there twice.
    """
    _check_job(job)
    line = f"{check_schedule(schedule)} {_cron_escaped(f'{command} # {job}')}\n"
    before, block, after = _split(current, checkout)
    places = [number for number, present in enumerate(block) if _job_of(present) == job]
    if places:
        block[places[0]] = line
        block = [present for number, present in enumerate(block) if number not in places[1:]]
    else:
        block = [*block, line]
    return before + _joined(block, checkout) + after


def remove_line(current: str, *, checkout: Path, job: str) -> str:
    """The crontab without this job's line, and without the block's marks when it was the last. Idempotent.

    Arguments and errors are those of `install_line`.
    """
    _check_job(job)
    before, block, after = _split(current, checkout)
    kept = [present for present in block if _job_of(present) != job]
    if len(kept) == len(block):
        return current
    return before + _joined(kept, checkout) + after


def installed_schedule(current: str, *, checkout: Path, job: str) -> str | None:
    """The schedule of this checkout's line for the job, None without one. Errors as in `install_line`."""
    _, block, _ = _split(current, checkout)
    lines = [present for present in block if _job_of(present) == job]
    return " ".join(lines[0].split()[:5]) if lines else None


class Schedules(NamedTuple):
    """The lines of a checkout in the crontab.

    Attributes:
        installed: task (a job, or `heal_of` it) to the schedule of its line, for tasks that have one.
        unknown: why the crontab could not be read; None when it could, or when the command is missing.
    """

    installed: Mapping[str, str]
    unknown: StateError | None = None


def read_schedules(crontab: Crontab, *, checkout: Path, tasks: Iterable[str]) -> Schedules:
    """The schedules of the tasks' lines of this checkout, or why they are not known."""
    try:
        current = crontab.read() if crontab.is_available() else ""
        found = {task: installed_schedule(current, checkout=checkout, job=task) for task in tasks}
    except StateError as error:
        return Schedules({}, error)
    return Schedules({task: schedule for task, schedule in found.items() if schedule})


def _check_path(path: Path) -> None:
    if not path.is_absolute() or _CONTROL.search(str(path)):
        raise ConfigurationError(
            f"path {str(path)!r}: a crontab line needs an absolute path without control characters",
            next_step="Move the checkout to such a path.",
        )


def _check_job(job: str) -> None:
    if not _TASK.fullmatch(job):
        raise ConfigurationError(f"job {job!r}: a name has small letters, digits and underscores only")


def _cron_escaped(command: str) -> str:
    """The command escaped for cron, where a bare ``%`` would end it and a backslash would be lost."""
    escaped = command.replace("\\", "\\\\").replace("%", "\\%")
    if _CONTROL.search(command):
        raise ConfigurationError("a crontab line cannot hold a newline or another control character")
    if len(escaped.encode(errors="surrogateescape")) > _MAX_COMMAND:
        raise ConfigurationError(
            f"the crontab line would be longer than the {_MAX_COMMAND} characters that cron takes",
            next_step="Move the checkout to a shorter path.",
        )
    return escaped


def _marks(checkout: Path) -> tuple[str, str]:
    _check_path(checkout)
    return f"# >>> data-processor {checkout} >>>", f"# <<< data-processor {checkout} <<<"


def _split(current: str, checkout: Path) -> tuple[str, list[str], str]:
    """The text above the block, the block's lines without its marks, the text below."""
    # Not splitlines: cron knows no other line end than this one.
    lines = re.findall(r"[^\n]*\n|[^\n]+", current)
    first, last = _marks(checkout)
    starts = [number for number, line in enumerate(lines) if line.rstrip("\r\n") == first]
    ends = [number for number, line in enumerate(lines) if line.rstrip("\r\n") == last]
    if not starts and not ends:
        return "", [], current
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        raise StateError(
            f"the crontab's block of {checkout} has lost one of its marks, or stands there twice",
            next_step=f'Put it right by "crontab -e": one "{first}", one "{last}" below it.',
        )
    return "".join(lines[: starts[0]]), lines[starts[0] + 1 : ends[0]], "".join(lines[ends[0] + 1 :])


def _joined(block: list[str], checkout: Path) -> str:
    """The block with its marks, or without them when no job is left in it."""
    first, last = _marks(checkout)
    if not any(_job_of(line) for line in block):
        return "".join(block)
    return f"{first}\n{''.join(block)}{last}\n"


def _job_of(line: str) -> str | None:
    """The job whose line this is, or `heal_of` it, None for a line that is not ours."""
    found = _OUR_LINE.fullmatch(line)
    return found["task"] if found else None


@dataclass(frozen=True, kw_only=True)
class CrontabChange:
    """A crontab before and after, or as it would be without a dry run.

    Attributes:
        backup: the file that keeps `before`; None when nothing was written.
    """

    before: str
    after: str
    backup: Path | None

    @property
    def is_change(self) -> bool:
        """Whether the two differ."""
        return self.before != self.after

    def diff(self) -> str:
        """A unified diff without context, empty when nothing changes."""
        before, after = self.before.split("\n"), self.after.split("\n")
        lines = difflib.unified_diff(before, after, "crontab", "crontab", "before", "after", n=0, lineterm="")
        return "\n".join(lines)


def setup_cron(
    crontab: Crontab, *, checkout: Path, python: Path, job: str, schedule: str, now: datetime, dry_run: bool = False
) -> CrontabChange:
    """Install the job's line for this checkout. Idempotent: nothing is written when it is there.

    Args:
        checkout: see `job_command`, like `python`; the log is its ``logs/cron.log``, the copy goes to its ``backups``.
        schedule: see `crons.schedule.check_schedule`.
        now: in Tehran; names the copy of the previous crontab.
        dry_run: change nothing.

    Raises:
        ConfigurationError: as in `job_command` and `install_line`; nothing was written.
        StateError: the crontab cannot be read or written, its previous state not kept, or our block is damaged.
    """
    log = checkout / "logs" / "cron.log"
    command = job_command(checkout=checkout, python=python, job=job, log=log)
    before = crontab.read()
    after = install_line(before, checkout=checkout, job=job, schedule=schedule, command=command)
    if not dry_run:
        try:
            log.parent.mkdir(exist_ok=True)  # without it the line's redirection fails, and the job never starts
        except OSError as exc:
            raise StateError(f"the log folder cannot be made: {exc}", next_step="Nothing was changed.") from exc
    return _carry_out(crontab, before, after, backups=checkout / "backups", now=now, dry_run=dry_run)


def remove_cron(crontab: Crontab, *, checkout: Path, job: str, now: datetime, dry_run: bool = False) -> CrontabChange:
    """Remove the job's line of this checkout. See `setup_cron`. Idempotent."""
    before = crontab.read()
    after = remove_line(before, checkout=checkout, job=job)
    return _carry_out(crontab, before, after, backups=checkout / "backups", now=now, dry_run=dry_run)


def _carry_out(
    crontab: Crontab, before: str, after: str, *, backups: Path, now: datetime, dry_run: bool
) -> CrontabChange:
    if dry_run or before == after:
        return CrontabChange(before=before, after=after, backup=None)
    backup = keep_copy(before, folder=backups, now=now)
    crontab.write(after)
    return CrontabChange(before=before, after=after, backup=backup)

"""A job's crontab line: its schedule, its text, and installing and removing it.

A checkout keeps its jobs in one block of its own at the top of the crontab, one line a task: a job, or a job's heal::

    # >>> data-processor /srv/data-processor >>>
    0 * * * * cd /srv/data-processor && env PYTHONPATH=… … -m crons.run NAME >> … 2>&1 # NAME
    17 4 * * * cd /srv/data-processor && env PYTHONPATH=… … -m crons.run NAME heal >> … 2>&1 # NAME heal
    # <<< data-processor /srv/data-processor <<<

At the top, because a ``SHELL=`` or ``PATH=`` line of the user applies to the lines below it only, and because a last
line without its newline then stays as it is. The comment that ends a line, one to ``sh`` too, names the line's task.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cronsim import CronSim, CronSimError

from adapters._bases.errors import ConfigurationError, StateError
from adapters.system.crontab import Crontab, keep_copy

DEFAULT_SCHEDULE = "0 * * * *"
# Daily, and away from the full hour: a heal and an hourly run of a job exclude each other.
HEAL_SCHEDULE = "17 4 * * *"
BACKUP_SCHEDULE = "47 4 * * *"
BACKUP = "backup"
"""The task that copies every job's table; no job has this name."""
BACKUPS_KEPT = 30
"""How many copies of a table the task keeps."""

_FIELD_NAMES = ("minute", "hour", "day of month", "month", "day of week")
_VALUE = r"(?:\d{1,2}|[A-Za-z]{3})"
_TERM = rf"(?:(?:\*|{_VALUE}-{_VALUE})(?:/\d{{1,2}})?|{_VALUE})"
_FIELD = re.compile(rf"{_TERM}(?:,{_TERM})*")
# MAX_COMMAND of Debian's cron.h is 1000, newline and end included.
_MAX_COMMAND_BYTES = 998
_OUR_LINE = re.compile(r"[^#\s].* # (?P<task>[a-z][a-z0-9_]*(?: heal)?)\r?\n?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_schedule(schedule: str) -> str:
    """The schedule with single blanks between its five fields, as in crontab(5), in the host's time zone.

    Words such as ``@hourly`` are rejected: not every cron knows them.

    Raises:
        ConfigurationError: it is not a schedule, or one that Debian's cron rejects.
    """
    fields = schedule.split()
    problem = ""
    if len(fields) != len(_FIELD_NAMES):
        problem = f"needs five fields: {', '.join(_FIELD_NAMES)}"
    for field, name in zip(fields, _FIELD_NAMES, strict=False):
        if not problem and not _FIELD.fullmatch(field):
            problem = f"{field!r} is not a valid {name}"
    if not problem:
        try:
            CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=timezone.utc))
        except CronSimError as error:
            problem = str(error)
    if problem:
        raise ConfigurationError(
            f"schedule {schedule!r}: {problem}", next_step=f'give five fields, such as "{DEFAULT_SCHEDULE}"'
        )
    return " ".join(fields)


def next_run(schedule: str, now: datetime) -> datetime:
    """When cron starts a line of a valid schedule next, after `now`, in the host's zone."""
    wall = next(CronSim(schedule, now.astimezone().replace(tzinfo=None)))
    return wall.astimezone()


def longest_interval(schedule: str, now: datetime) -> timedelta:
    """The longest time between two starts by a valid schedule, within a week from `now`."""
    wall = now.astimezone().replace(tzinfo=None)
    longest = timedelta()
    for one, following in pairwise(CronSim(schedule, wall)):
        longest = max(longest, following - one)
        if following - wall > timedelta(weeks=1):
            break
    return longest


def heal_of(job: str) -> str:
    """The task that heals a job, with its own line beside the job's."""
    return f"{job} heal"


def job_command(*, checkout: Path, python: Path, job: str, log: Path) -> str:
    """The shell command that runs a task in cron's bare environment, before cron's own escapes.

    Args:
        checkout: absolute; the working folder.
        python: absolute; ``.venv/bin/python``, its links not resolved.
        job: the job's name, or `heal_of` it, or `BACKUP`, here and below.
        log: absolute; stdout and stderr are appended to it; its folder exists.
    """
    folder, program, source, output = (shlex.quote(str(path)) for path in (checkout, python, checkout / "src", log))
    what = f"main {BACKUP} --keep {BACKUPS_KEPT} --quiet" if job == BACKUP else f"crons.run {job}"
    return f"cd {folder} && env PYTHONPATH={source} {program} -m {what} >> {output} 2>&1"


def install_line(current: str, *, checkout: Path, job: str, schedule: str, command: str) -> str:
    """The crontab with this task's line in this checkout's block. Idempotent. Every other character stays.

    An existing line of the task is replaced in its place.

    Args:
        current: the present crontab; empty when there is none.
        schedule: see `check_schedule`.
        command: see `job_command`; ``%`` and the backslash are escaped here.

    Raises:
        ConfigurationError: a crontab line cannot hold the schedule, path or command.
        StateError: the block has lost one of its marks, or exists twice.
    """
    line = f"{check_schedule(schedule)} {_cron_escaped(f'{command} # {job}')}\n"
    before, block, after = _split(current, checkout)
    places = [number for number, present in enumerate(block) if _task_of(present) == job]
    if places:
        block[places[0]] = line
        block = [present for number, present in enumerate(block) if number not in places[1:]]
    else:
        block = [*block, line]
    return before + _joined(block, checkout) + after


def remove_line(current: str, *, checkout: Path, job: str) -> str:
    """The crontab without this task's line, and without the block's marks when it was the last. Idempotent."""
    before, block, after = _split(current, checkout)
    kept = [present for present in block if _task_of(present) != job]
    return current if len(kept) == len(block) else before + _joined(kept, checkout) + after


def installed_schedule(current: str, *, checkout: Path, job: str) -> str | None:
    """The schedule of this checkout's line for the task, None without one."""
    _, block, _ = _split(current, checkout)
    lines = [present for present in block if _task_of(present) == job]
    return " ".join(lines[0].split()[:5]) if lines else None


class Schedules(NamedTuple):
    """A checkout's lines in the crontab.

    Attributes:
        installed: task to the schedule of its line, for tasks that have one.
        unknown: why the crontab could not be read; None when it could, or when the command is missing.
    """

    installed: Mapping[str, str]
    unknown: StateError | None = None


def read_schedules(crontab: Crontab, *, checkout: Path, tasks: Iterable[str]) -> Schedules:
    """The schedules of the tasks' lines of this checkout."""
    try:
        current = crontab.read() if crontab.is_available() else ""
        found = {task: installed_schedule(current, checkout=checkout, job=task) for task in tasks}
    except StateError as error:
        return Schedules({}, error)
    return Schedules({task: schedule for task, schedule in found.items() if schedule})


@dataclass(frozen=True, kw_only=True)
class CrontabChange:
    """A crontab before and after a change; `backup` keeps `before`, None when nothing was written."""

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
    """Install the task's line for this checkout. Idempotent.

    Args:
        checkout: see `job_command`, like `python`; the log is its ``logs/cron.log``, the copy goes to its ``backups``.
        schedule: see `check_schedule`.
        now: in Tehran; names the copy of the previous crontab.
        dry_run: change nothing.

    Raises:
        ConfigurationError: as in `install_line`; nothing was written.
        StateError: the crontab cannot be read or written, its copy not kept, or the block is damaged.
    """
    log = checkout / "logs" / "cron.log"
    command = job_command(checkout=checkout, python=python, job=job, log=log)
    before = crontab.read()
    after = install_line(before, checkout=checkout, job=job, schedule=schedule, command=command)
    if not dry_run:
        try:
            log.parent.mkdir(exist_ok=True)  # without it the line's redirection fails, and the job never starts
        except OSError as error:
            raise StateError(f"cannot make the log folder: {error}", next_step="nothing was changed") from error
    return _carry_out(crontab, before, after, checkout=checkout, now=now, dry_run=dry_run)


def remove_cron(crontab: Crontab, *, checkout: Path, job: str, now: datetime, dry_run: bool = False) -> CrontabChange:
    """Remove the task's line of this checkout; see `setup_cron`. Idempotent."""
    before = crontab.read()
    after = remove_line(before, checkout=checkout, job=job)
    return _carry_out(crontab, before, after, checkout=checkout, now=now, dry_run=dry_run)


def _carry_out(
    crontab: Crontab, before: str, after: str, *, checkout: Path, now: datetime, dry_run: bool
) -> CrontabChange:
    if dry_run or before == after:
        return CrontabChange(before=before, after=after, backup=None)
    backup = keep_copy(before, folder=checkout / "backups", now=now)
    crontab.write(after)
    return CrontabChange(before=before, after=after, backup=backup)


def _cron_escaped(command: str) -> str:
    # To cron a bare % ends the command, and a backslash before one disappears.
    escaped = command.replace("\\", "\\\\").replace("%", "\\%")
    if _CONTROL.search(command):
        raise ConfigurationError(
            "a crontab line cannot hold a control character", next_step="move the checkout to a path without one"
        )
    if len(escaped.encode(errors="surrogateescape")) > _MAX_COMMAND_BYTES:
        raise ConfigurationError(
            f"the crontab line exceeds the {_MAX_COMMAND_BYTES} bytes that cron accepts",
            next_step="move the checkout to a shorter path",
        )
    return escaped


def _marks(checkout: Path) -> tuple[str, str]:
    return f"# >>> data-processor {checkout} >>>", f"# <<< data-processor {checkout} <<<"


def _split(current: str, checkout: Path) -> tuple[str, list[str], str]:
    """The text above the block, the block's lines without its marks, the text below."""
    # Not splitlines: to cron only this character ends a line.
    lines = re.findall(r"[^\n]*\n|[^\n]+", current)
    first, last = _marks(checkout)
    starts = [number for number, line in enumerate(lines) if line.rstrip("\r\n") == first]
    ends = [number for number, line in enumerate(lines) if line.rstrip("\r\n") == last]
    if not starts and not ends:
        return "", [], current
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        raise StateError(
            f"the crontab's block of {checkout} lacks one of its marks or exists twice",
            next_step=f'fix it with "crontab -e": one "{first}", one "{last}" below it',
        )
    return "".join(lines[: starts[0]]), lines[starts[0] + 1 : ends[0]], "".join(lines[ends[0] + 1 :])


def _joined(block: list[str], checkout: Path) -> str:
    """The block with its marks, or without them when no task is left in it."""
    first, last = _marks(checkout)
    if not any(_task_of(line) for line in block):
        return "".join(block)
    return f"{first}\n{''.join(block)}{last}\n"


def _task_of(line: str) -> str | None:
    found = _OUR_LINE.fullmatch(line)
    return found["task"] if found else None

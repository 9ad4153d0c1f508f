"""A checkout's lines in the crontab: one block at its top, one line a task.

    # >>> data-processor /srv/data-processor >>>
    0 * * * * cd /srv/data-processor && env PYTHONPATH=… … -m crons.run NAME >> … 2>&1 # NAME
    17 4 * * * cd /srv/data-processor && env PYTHONPATH=… … -m crons.run NAME heal >> … 2>&1 # NAME heal
    # <<< data-processor /srv/data-processor <<<

The comment that ends a line, one to ``sh`` too, names its task: a job's name, `heal_of` it, `BACKUP` or `WATCH`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cronsim import CronSim, CronSimError

from adapters._bases.durable import make_folder, state_errors, sync_folder, write
from adapters._bases.errors import ConfigurationError, StateError
from adapters._bases.tehran_time import TEHRAN, hour_start, in_tehran
from adapters.system.crontab import cron_runs, has_crontab, read_crontab, write_crontab

# Daily, and away from the minutes at which hours begin anywhere: a heal and an hourly run of a job exclude each other.
HEAL_SCHEDULE = "17 4 * * *"
BACKUP = "backup"  # the task that copies every job's table; no job has this name, nor that of
WATCH = "watch"  # the task that reports what needs attention
DAILY = {BACKUP: "47 4 * * *", WATCH: "7 8 * * *"}
BACKUPS_KEPT = 30  # copies of a table

_COPY = "crontab-%Y-%m-%d_%H-%M-%S-%f.txt"  # in Tehran time
_MARKS = "# >>> data-processor {} >>>", "# <<< data-processor {} <<<"
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
# MAX_COMMAND of Debian's cron.h is 1000, newline and end included.
_MAX_COMMAND_BYTES = 998
_OUR_LINE = re.compile(r"[^#\s].* # (?P<task>[a-z][a-z0-9_]*(?: heal)?)\r?\n?")


def check_schedule(schedule: str) -> str:
    """The schedule with single blanks between its five fields, as in crontab(5); raises ConfigurationError."""
    fields = schedule.split()
    try:
        if len(fields) != len(_FIELDS):  # not every cron knows words such as @hourly
            raise CronSimError(f"needs five fields: {', '.join(_FIELDS)}")  # noqa: TRY301 - as one that CronSim finds
        CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=timezone.utc))
    except CronSimError as error:
        step = 'give five fields, such as "30 * * * *"'
        raise ConfigurationError(f"schedule {schedule!r}: {error}", next_step=step) from error
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


def hourly_schedule(now: datetime) -> str:
    """The beginning of each Tehran hour on this host's clock."""
    return f"{hour_start(now).astimezone().minute} * * * *"


def heal_of(job: str) -> str:
    return f"{job} heal"


def crontab_line(task: str, schedule: str, *, checkout: Path, python: Path) -> str:
    """The line that runs a task in cron's bare environment; paths are absolute, and links in them not resolved.

    Raises:
        ConfigurationError: a crontab line cannot hold the schedule or a path.
    """
    log = checkout / "logs" / "cron.log"
    folder, program, source, output = (shlex.quote(str(path)) for path in (checkout, python, checkout / "src", log))
    modules = {BACKUP: f"main {BACKUP} --keep {BACKUPS_KEPT} --quiet", WATCH: "main status --quiet"}
    # What the watch prints is mailed by cron.
    module, target = modules.get(task, f"crons.run {task}"), "" if task == WATCH else f" >> {output} 2>&1"
    command = f"cd {folder} && env PYTHONPATH={source} {program} -m {module}{target} # {task}"
    if re.search(r"[\x00-\x1f\x7f]", command):
        step = "move the checkout to a path without one"
        raise ConfigurationError("a crontab line cannot hold a control character", next_step=step)
    # To cron a bare % ends the command, and a backslash before one disappears.
    escaped = command.replace("\\", "\\\\").replace("%", "\\%")
    if len(escaped.encode(errors="surrogateescape")) > _MAX_COMMAND_BYTES:
        what = f"the crontab line exceeds the {_MAX_COMMAND_BYTES} bytes that cron accepts"
        raise ConfigurationError(what, next_step="move the checkout to a shorter path")
    return f"{check_schedule(schedule)} {escaped}\n"


def with_task(current: str, task: str | None, line: str | None, *, checkout: Path) -> str:
    """The crontab with the task's line in this checkout's block, and every other character as it was. Idempotent.

    Args:
        task: None, with no line, for all of them.
        line: replaces the task's line in its place; None to remove it.
    """
    before, block, after = _split(current, checkout)
    added = [line] if line else []
    changed: list[str] = []
    for present in block:
        is_meant = (own := _task_of(present)) and task in {None, own}
        changed += [one for one in added if one not in changed] if is_meant else [present]
    changed += [one for one in added if one not in changed]
    if changed == block:
        return current
    # The marks go with the last line. The block is at the top, because a SHELL= or PATH= line of the user applies to
    # the lines below it only, and because a last line without its newline then stays as it is.
    if any(map(_task_of, changed)):
        first, last = (f"{mark.format(checkout)}\n" for mark in _MARKS)
        changed = [first, *changed, last]
    return "".join([before, *changed, after])


class Schedules(NamedTuple):
    installed: Mapping[str, str]  # task to the schedule of its line, for tasks that have one
    unknown: StateError | None = None  # why the crontab cannot be read; None if it can, or if the command is missing
    cron_runs: bool = True  # whether a daemon runs, which starts them


def read_schedules(checkout: Path) -> Schedules:
    try:
        installed = installed_schedules(read_crontab() if has_crontab() else "", checkout)
        return Schedules(installed, cron_runs=cron_runs())
    except StateError as error:
        return Schedules({}, error, cron_runs=cron_runs())


def installed_schedules(current: str, checkout: Path) -> dict[str, str]:
    """Task to the schedule of this checkout's line for it."""
    block = _split(current, checkout)[1]
    return {task: " ".join(line.split()[:5]) for line in block if (task := _task_of(line))}


def installed_since(task: str, checkout: Path) -> datetime | None:
    """When the line of an installed task was added, by the kept copies of the crontab; None without such a copy."""
    for path in sorted((checkout / "backups").glob("crontab-*.txt"), reverse=True):
        with suppress(OSError, ValueError, StateError):  # a foreign file, or a block that is damaged
            made = datetime.strptime(path.name, _COPY).replace(tzinfo=TEHRAN)
            if task not in installed_schedules(path.read_text(errors="surrogateescape"), checkout):
                return made
    return None


def change_crontab(
    task: str | None, line: str | None, *, checkout: Path, now: datetime, dry_run: bool = False
) -> tuple[str, str, Path | None]:
    """Install or remove a line as `with_task` does. Idempotent.

    Returns the crontab before and after, and the copy of the former in ``backups``, None if nothing was written.
    """
    before = read_crontab()
    after = with_task(before, task, line, checkout=checkout)
    if line and not dry_run:
        # Without it the line's redirection fails, and the job never starts.
        with state_errors("cannot make the log folder", otherwise="; nothing was changed"):
            (checkout / "logs").mkdir(exist_ok=True)
    if dry_run or before == after:
        return before, after, None
    backup = checkout / "backups" / in_tehran(now).strftime(_COPY)
    with state_errors(f"cannot keep a copy of the previous crontab in {backup}", otherwise="; nothing was changed"):
        make_folder(backup.parent)
        write(backup, before.encode(errors="surrogateescape"), mode=0o600)
        sync_folder(backup.parent)
    if header := write_crontab(after):
        first, others = re.escape(header.partition("\n")[0]), header.count("\n") - 1
        # Those that it put there at earlier times are not the user's, and must not add up.
        own = re.sub(rf"\A(?:{first}\n(?:[^\n]*\n){{{others}}})+", "", before)
        write_crontab(with_task(own, task, line, checkout=checkout))
    return before, after, backup


def _split(current: str, checkout: Path) -> tuple[str, list[str], str]:
    """The text above the block, the block's lines without its marks, the text below."""
    # Not splitlines: to cron only this character ends a line.
    lines = re.findall(r"[^\n]*\n|[^\n]+", current)
    first, last = (mark.format(checkout) for mark in _MARKS)
    starts, ends = (
        [number for number, line in enumerate(lines) if line.rstrip("\r\n") == mark] for mark in (first, last)
    )
    if not starts and not ends:
        return "", [], current
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        raise StateError(
            f"the crontab's block of {checkout} lacks one of its marks or exists twice",
            next_step=f'fix it with "crontab -e": one "{first}", one "{last}" below it',
        )
    return "".join(lines[: starts[0]]), lines[starts[0] + 1 : ends[0]], "".join(lines[ends[0] + 1 :])


def _task_of(line: str) -> str:
    found = _OUR_LINE.fullmatch(line)
    return found["task"] if found else ""

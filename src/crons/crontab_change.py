"""Installing and removing a job's crontab line: plan it, keep the previous crontab, write, read back."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from adapters._bases.errors import StateError
from adapters.system.crontab import keep_copy
from crons.install import install_line, job_command, remove_line


class CrontabDoor(Protocol):
    """What this module needs of `adapters.system.crontab.Crontab`."""

    def read(self) -> str:
        """The whole crontab; empty when there is none."""

    def write(self, text: str) -> None:
        """Put this text in its place."""


@dataclass(frozen=True, kw_only=True)
class CrontabChange:
    """A crontab before and after.

    Args:
        before: as it was read.
        after: as it is now, or would be after a dry run.
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
        """A unified diff without context; empty when nothing changes."""
        before, after = self.before.split("\n"), self.after.split("\n")
        lines = difflib.unified_diff(before, after, "crontab", "crontab", "before", "after", n=0, lineterm="")
        return "\n".join(lines)


def setup_cron(
    crontab: CrontabDoor,
    *,
    checkout: Path,
    python: Path,
    job: str,
    schedule: str,
    now: datetime,
    dry_run: bool = False,
) -> CrontabChange:
    """Install the job's crontab line for this checkout. Harmless to repeat: nothing is written when it is there.

    Args:
        crontab: the door.
        checkout: absolute path of the checkout; the log is its ``logs/cron.log``, the copy goes to its ``backups``.
        python: absolute path of the interpreter, its links not resolved.
        job: the job's name, or `crons.install.heal_of` it.
        schedule: see `crons.schedule.check_schedule`; in the host's time zone.
        now: aware, in Tehran; names the copy of the previous crontab.
        dry_run: only say what would change.

    Raises:
        ConfigurationError: a schedule, name or path that a crontab line cannot hold; nothing was written.
        StateError: the crontab cannot be read or written, its previous state not kept, or our block is damaged.
    """
    log = checkout / "logs" / "cron.log"
    command = job_command(checkout=checkout, python=python, job=job, log=log)
    before = crontab.read()
    after = install_line(before, checkout=checkout, job=job, schedule=schedule, command=command)
    if not dry_run:
        _make_log_folder(log.parent)
    return _carry_out(crontab, before, after, backups=checkout / "backups", now=now, dry_run=dry_run)


def remove_cron(
    crontab: CrontabDoor, *, checkout: Path, job: str, now: datetime, dry_run: bool = False
) -> CrontabChange:
    """Remove the job's crontab line of this checkout. Harmless to repeat: nothing is written when it is gone.

    Args:
        crontab: the door.
        checkout: absolute path of the checkout; the copy goes to its ``backups``.
        job: the job's name, or `crons.install.heal_of` it.
        now: aware, in Tehran; names the copy of the previous crontab.
        dry_run: only say what would change.

    Raises:
        ConfigurationError: a name or path that a crontab line cannot hold; nothing was written.
        StateError: as in `setup_cron`.
    """
    before = crontab.read()
    after = remove_line(before, checkout=checkout, job=job)
    return _carry_out(crontab, before, after, backups=checkout / "backups", now=now, dry_run=dry_run)


def _carry_out(
    crontab: CrontabDoor, before: str, after: str, *, backups: Path, now: datetime, dry_run: bool
) -> CrontabChange:
    if dry_run or before == after:
        return CrontabChange(before=before, after=after, backup=None)
    backup = keep_copy(before, folder=backups, now=now)
    crontab.write(after)
    return CrontabChange(before=before, after=after, backup=backup)


def _make_log_folder(folder: Path) -> None:
    """Without it the line's redirection fails, and cron would never start the job."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise StateError(f"the log folder cannot be made: {exc}", next_step="Nothing was changed.") from exc

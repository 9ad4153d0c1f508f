"""What the main job needs on this host, looked at one by one."""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import psutil

from adapters._bases.errors import EtlError
from adapters.files.spool import Spool
from adapters.system.crontab import Crontab
from configurations.env_file import nearly_right
from crons.findings import Finding

_OLDEST_POETRY = (2, 2)
"""As in run.sh and pyproject.toml."""
_PATIENCE_SECONDS = 10
_CRON_DAEMONS = {"cron", "crond", "cronie", "fcron", "busybox", "systemd-cron"}


def failed(subject: str, error: EtlError) -> Finding:
    """An expected error as a finding."""
    return Finding(subject, "fail", " ".join(error.message.split()), error.next_step)


def check_python() -> Finding:
    """Whether this Python is one that the program is tested on."""
    good = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return Finding(
        "Python",
        "ok" if good else "fail",
        f"{platform.python_version()} ({sys.executable})",
        "" if good else "install Python 3.10 to 3.13, then PYTHON=python3.12 ./run.sh install",
    )


def check_poetry(checkout: Path) -> Finding:
    """Which Poetry the next set-up will use: that of PATH if it is new enough, else a private one."""
    on_path, own = shutil.which("poetry"), checkout / ".poetry/bin/poetry"
    version = _poetry_version(on_path) if on_path else None
    if version is not None and version >= _OLDEST_POETRY:
        return Finding("Poetry", "ok", f"{'.'.join(map(str, version))} ({on_path})")
    too_old = f"; {on_path} is too old" if version else ""
    if own.exists():
        return Finding("Poetry", "ok", f"{own}{too_old}")
    return Finding("Poetry", "ok", f"the set-up bootstraps its own when it needs one{too_old or '; none here'}")


def _poetry_version(program: str) -> tuple[int, int] | None:
    """Its first two numbers; None when it does not tell them."""
    try:
        told = subprocess.run(  # noqa: S603 - the program that the set-up would run
            [program, "--version"], capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = re.search(r"(\d+)\.(\d+)", told)
    return (int(numbers[1]), int(numbers[2])) if numbers else None


def check_env_file(path: Path, known: Collection[str]) -> list[Finding]:
    """Whether others on this host can read or change ``.env``, and whether a name in it was probably mistyped.

    Args:
        path: of the file, which is valid or absent.
        known: the names of the settings.
    """
    if not path.exists():
        return [Finding(".env", "ok", "none: defaults and the environment apply", "cp env.example .env to change them")]
    found = [
        Finding(".env", "warn", f"there is no setting {name}", f"did you mean {meant}?")
        for name, meant in nearly_right(path, known).items()
    ]
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [
            Finding(".env", "warn", "valid, but others on this host can read or change it", f"chmod 600 {path}"),
            *found,
        ]
    return [Finding(".env", "ok", "valid, readable by its owner only"), *found]


def check_folders(folders: Iterable[Path]) -> list[Finding]:
    """Whether this user can write where the program does; a folder that is not there yet is made when it is needed."""
    stuck = [folder for folder in folders if not os.access(_nearest(folder), os.W_OK | os.X_OK)]
    if not stuck:
        return [Finding("folders", "ok", "data, logs, backups and reports can be written")]
    return [
        Finding("folders", "fail", f"{folder} cannot be written by this user", f"see who owns {_nearest(folder)}")
        for folder in stuck
    ]


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there; one whose name no disk can hold is not."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110 - Path.exists raises


def check_crontab(crontab: Crontab, schedules: Mapping[str, str | None]) -> list[Finding]:
    """Whether there is a crontab command, and for each job whether its line is installed.

    Args:
        crontab: the door.
        schedules: job to the schedule of its installed line; None where it has none.
    """
    if not crontab.is_available():
        return [Finding("crontab", "warn", "there is no crontab command", "apt-get install cron")]
    found = [_check_daemon()]
    for job, schedule in sorted(schedules.items()):
        if schedule is None:
            found.append(Finding(f"job {job}", "warn", "not installed in the crontab", f"./run.sh setup_cron {job}"))
        else:
            found.append(Finding(f"job {job}", "ok", f"installed: {schedule}"))
    return found


def _check_daemon() -> Finding:
    """Whether a cron daemon runs, as far as this user can see: without one no line of a crontab does anything."""
    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    if names & _CRON_DAEMONS:
        return Finding("crontab", "ok", "cron runs")
    return Finding("crontab", "warn", "no cron daemon is seen to run", "service cron start")


def check_spool(subject: str, job: str, spool: Spool) -> list[Finding]:
    """What waits in a spool of a job: files that the job's next run loads, and damaged ones that need a person."""
    found = []
    if waiting := spool.waiting():
        found.append(Finding(subject, "warn", f"{len(waiting)} files wait to be stored", f"./run.sh cron_run {job}"))
    found.extend(
        Finding(
            subject, "warn", f"waits, and is damaged: {path}: {damage}", "the next run sets it aside, or says why not"
        )
        for path, _, damage in map(spool.read, waiting)
        if damage is not None
    )
    found.extend(
        Finding(subject, "warn", f"damaged: {path}", f"see {path.name}.reason beside it, then remove both")
        for path in spool.rejected()
    )
    return found

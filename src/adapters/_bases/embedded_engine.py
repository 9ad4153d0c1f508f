"""The ClickHouse inside this process: its folder, and why it does not start."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from adapters._bases.clickhouse_errors import plain
from adapters._bases.durable import check_writable, fix_for, fix_named_in, foreign_among
from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable, innermost_words

# With less it stops in odd places, or does not return: measured on two processors.
_LEAST = {"-n": (resource.RLIMIT_NOFILE, 1, 128), "-v": (resource.RLIMIT_AS, 1024, 4_000_000)}
_CGROUP_TRACE = re.compile(r"Cannot use cgroups reader: .*?\(version [^)]*\)\n+", re.DOTALL)


@dataclass(frozen=True)
class EmbeddedEngine:
    """The engine inside this process. One process at a time can have its folder open."""

    path: Path

    def __str__(self) -> str:
        return f"embedded engine at {self.path}"


def prepare_embedded_folder(path: Path) -> None:
    """Make the folder if it is missing. Idempotent.

    Raises:
        StorageUnavailable: another process has it open; the message names it.
        StorageRejected: the folder cannot be made or written to, or the process's limits are too low.
    """
    for flag, (kind, unit, least) in _LEAST.items():
        limit = resource.getrlimit(kind)[0] // unit
        if 0 <= limit < least:  # a negative one is none
            raise StorageRejected(
                f"the embedded engine needs higher limits than this process has: `ulimit {flag}` is {limit}",
                next_step=f"raise it to {least} or more where the command is started, or use a ClickHouse server",
            )
    # The engine itself would only say that it could not start.
    try:
        path.mkdir(parents=True, exist_ok=True)
        check_writable(path)
        owner = _other_owner(path)
    except OSError as error:
        raise StorageRejected(
            f"the embedded engine's folder {path} cannot be used: {error.strerror}",
            next_step=f"correct CLICKHOUSE_PATH, or {fix_for(error)}",
        ) from error
    if owner:
        raise StorageUnavailable(
            f"the embedded engine's folder {path} is in use by process {owner}",
            next_step="Wait until that process ends; `./run.sh kill` ends this checkout's jobs.",
        )


def _other_owner(path: Path) -> str:
    """The pid of another process that has the folder open, or an empty text."""
    # The engine locks this file while it runs, and writes its pid into it.
    with suppress(FileNotFoundError), (path / "status").open() as file:
        found = re.search(r"PID: (\d+)", file.read())
        pid = found.group(1) if found else "unknown"
        if pid != str(os.getpid()):
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return pid
    return ""


def import_engine() -> None:
    """Import the engine, and keep its stack trace on a host without files of cgroups from stderr."""
    written, stderr, ours = os.memfd_create("stderr"), os.dup(2), sys.stderr
    sys.stderr = os.fdopen(stderr, "w", buffering=1, errors="replace")  # for our log, if the import does not return
    os.dup2(written, 2)
    try:
        import chdb  # noqa: F401, PLC0415 - slow, and only wanted here
    finally:
        os.dup2(stderr, 2)
        with os.fdopen(written, "rb") as file:
            file.seek(0)
            text = _CGROUP_TRACE.sub("", file.read().decode(errors="replace"))
        sys.stderr.close()
        sys.stderr = ours
        sys.stderr.write(text)


@contextmanager
def engine_zone() -> Iterator[None]:
    """Set TZ to UTC while the engine starts: it crashes on names that are not IANA's."""
    # Every statement names its zone, so the engine's own does not matter. Schedules are computed by the former TZ.
    environment = os.environ  # noqa: TID251 - the engine's setting, not ours
    before = environment.get("TZ")
    environment["TZ"] = "UTC"
    try:
        yield
    finally:
        if before is None:
            del environment["TZ"]
        else:
            environment["TZ"] = before
        time.tzset()  # the engine may have made the C library read it meanwhile


def name_foreign_file(error: EtlError, path: Path) -> None:
    """Say which file of another user the engine in a folder has failed on, if that is why."""
    if "permission denied" in error.message.lower() and (found := foreign_among(path.rglob("*"))):
        error.message += f"; {found.path} belongs to {found.owner}, not to {found.user}"
        error.next_step = f"sudo chown -R {found.user} {shlex.quote(str(path))}"


def engine_failure(error: BaseException, path: Path) -> StorageRejected:
    reason = plain(innermost_words(error))
    if isinstance(error, ImportError):
        return StorageRejected(
            f"the embedded engine cannot be loaded: {reason}",
            next_step="rm -rf .venv && ./run.sh install --embedded",
        )
    failure = StorageRejected(
        f"the embedded engine at {path} does not start: {reason}",
        next_step=fix_named_in(reason)
        or "fix what it wrote to stderr, just above in the log; "
        f"or move {path} away and run `./run.sh setup_db`, then restore a backup or cron_backfill",
    )
    name_foreign_file(failure, path)
    return failure

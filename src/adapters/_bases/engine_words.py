"""What the embedded engine says of its own failure: the cause stands on stderr only, its error says that it failed."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from adapters._bases.clickhouse_errors import one_line
from adapters._bases.errors import StorageRejected
from adapters._bases.network_causes import innermost_words

_EXCEPTION = re.compile(r"DB::Exception: (.+?)(?=\n\S*Code: \d+\.|\Z)", re.DOTALL)
_FILESYSTEM = re.compile(r"filesystem error: (.+?)(?:, Stack trace|\Z)", re.DOTALL)
_STDERR = 2


class EngineWords:
    """A block whose stderr, that of libraries in C too, is kept; it goes where it belongs at the end of the block.

    Attributes:
        last_exception: the last exception of ClickHouse that was told there; empty where none was.
    """

    def __init__(self) -> None:
        self.last_exception = ""
        self._kept = -1
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the block

    def __enter__(self) -> None:
        with suppress(OSError):  # a process without stderr has nothing to keep
            sys.stderr.flush()
            self._kept = os.dup(_STDERR)
            os.dup2(self._file.fileno(), _STDERR)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if self._kept < 0:
                return
            sys.stderr.flush()
            os.dup2(self._kept, _STDERR)
            os.close(self._kept)
            self._file.seek(0)
            told = self._file.read()
        os.write(_STDERR, told)
        found = _EXCEPTION.findall(told.decode(errors="replace"))
        self.last_exception = found[-1] if found else ""


def engine_failure(error: BaseException, path: Path, told: str) -> StorageRejected:
    """The error for an engine that did not start: with what it told, else with what the lowest layer says.

    Args:
        error: what was caught.
        path: the engine's folder.
        told: the exception of ClickHouse on stderr; empty where there was none.
    """
    if isinstance(error, ImportError):
        return StorageRejected(
            f"the embedded engine cannot be loaded: {one_line(innermost_words(error))}",
            next_step="rm -rf .venv && ./run.sh install --embedded",
        )
    inner = innermost_words(error)
    if not told and (found := _FILESYSTEM.search(inner)):
        told = found.group(1)
    return StorageRejected(
        f"the embedded engine at {path} does not start: {one_line(told or inner)}",
        next_step=f"mend that; or move {path} away and run `./run.sh setup_db`, then restore a backup or cron_backfill",
    )

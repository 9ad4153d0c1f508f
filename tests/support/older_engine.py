"""An engine of another version, in a process of its own: a program for that version's environment, and its door.

The program needs the package `chdb` alone. It reads requests from stdin, a line of JSON each, and answers each with a
line, ``ok LENGTH`` and so many bytes, or ``error LENGTH`` and the engine's words.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_INFILE = re.compile(
    r"INSERT INTO (?P<table>\S+) \((?P<columns>[^)]*)\) FROM INFILE (?P<file>'[^']*') .*FORMAT (?P<kind>\w+)"
)


class OlderEngine:
    """The engine of an environment, by its interpreter, over a folder of data; a context manager.

    Requests are answered one at a time.
    """

    def __init__(self, python: Path, path: Path) -> None:
        self._command = [str(python), __file__, str(path)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OlderEngine:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"], "TZ": "UTC"}
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def query(self, sql: str, settings: Sequence[tuple[str, str]], params: dict[str, str]) -> bytes:
        """What a statement brings, in TabSeparated unless it names a format; a RuntimeError with the engine's words."""
        assert self._process is not None
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(json.dumps([sql, list(settings), params]).encode() + b"\n")
        requests.flush()
        state, length = answers.readline().split()
        answer = answers.read(int(length))
        if state != b"ok":
            raise RuntimeError(answer.decode(errors="replace"))
        return answer


def _without_pyarrow() -> None:
    """Let chdb 3 be imported without pyarrow, which it asks for and these statements do not need."""

    class Nothing(types.ModuleType):
        def __getattr__(self, name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

    for name in ("pyarrow", "pandas", "numpy"):
        sys.modules[name] = Nothing(name)


class _Session:
    """One connection, which has the settings of the present request."""

    def __init__(self, path: str) -> None:
        from chdb import session  # noqa: PLC0415 - of that environment, once it can be imported

        opened: Any = session.Session
        self._session = opened(path)
        self._settings: dict[str, str] = {}

    def answer(self, sql: str, settings: list[list[str]], params: dict[str, str]) -> bytes:
        wanted = {str(name): str(value) for name, value in settings} | {
            f"param_{name}": value for name, value in params.items()
        }
        for name in self._settings.keys() - wanted.keys() - {"database"}:
            self._run(f"SET {name} = {'DEFAULT' if not name.startswith('param_') else _quoted('')}")
        for name, value in wanted.items():
            if self._settings.get(name) != value:
                self._run(f"USE `{value}`" if name == "database" else f"SET {name} = {_quoted(value)}")
        self._settings = wanted
        if insert := _INFILE.match(sql):
            # Not INFILE, which passes over the list of columns in old versions.
            columns, source = insert["columns"], f"file({insert['file']}, {insert['kind']})"
            sql = f"INSERT INTO {insert['table']} ({columns}) SELECT {columns} FROM {source}"
        if sql.startswith("DROP"):
            sql = sql.removesuffix(" SYNC")  # which hangs in the embedded engine from 25.5 to 26.1
        return self._run(sql)

    def _run(self, sql: str) -> bytes:
        found = self._session.query(sql, "TabSeparated")
        return bytes(found.bytes() or b"") if hasattr(found, "bytes") else str(found).encode()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main() -> None:
    _without_pyarrow()
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the engine prints is not an answer
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # an INSERT with VALUES reads on from there
    session = _Session(sys.argv[1])
    for line in requests:
        try:
            state, answer = "ok", session.answer(*json.loads(line))
        except RuntimeError as error:
            state, answer = "error", str(error).encode()
        answers.write(f"{state} {len(answer)}\n".encode() + answer)
        answers.flush()


if __name__ == "__main__":
    main()

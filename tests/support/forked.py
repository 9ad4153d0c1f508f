"""Processes of the program, forked from one that has its libraries loaded: starting one costs a tenth."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import time
from pathlib import Path

# Not the program's own modules, which each installation has a copy of, nor the engine, which starts threads.
_LIBRARIES = "aiolimiter anyio._backends._asyncio asyncio clickhouse_connect cronsim filelock h11 httpcore httpx jinja2"
_LIBRARIES += " msgspec psutil rich.progress rich.table stamina structlog time_machine typer._adapters tzdata"
# Of the development environment: the driver and httpcore import them where they are.
_LIBRARIES += " numpy pandas pyarrow trio"
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # else numpy starts threads, which a fork does not have
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(_LIBRARIES.split())


class ForkedPython:
    """``python ARGUMENTS`` (``-m MODULE``, ``-c CODE`` or a script), with what tests use of `subprocess.Popen`.

    Its output goes to files that exist. What Python reads when it starts (``PYTHON*``, the locale) has no effect.
    """

    def __init__(self, arguments: list[str], *, cwd: Path, environment: dict[str, str], out: Path, log: Path) -> None:
        self._process = _SERVER.Process(target=_run, args=(arguments, cwd, environment, out, log), daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        assert code is not None, f"process {self.pid} did not end within {timeout} s"
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _run(arguments: list[str], cwd: Path, environment: dict[str, str], out: Path, log: Path) -> None:
    for path, stream in ((out, 1), (log, 2)):
        file = os.open(path, os.O_WRONLY)
        os.dup2(file, stream)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    what, *rest = arguments
    own = [str(cwd), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.path[:] = [*own, *(entry for entry in sys.path if "python3" in entry)]
    sys.argv = rest if what == "-m" else arguments
    if what == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif what == "-c":
        exec(rest[0], {"__name__": "__main__"})  # noqa: S102 - a test's own code
    else:
        runpy.run_path(what, run_name="__main__")

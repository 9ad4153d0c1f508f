"""The program as it is installed: a copy of its own, started as real processes with an environment of its own."""

from __future__ import annotations

import compileall
import json
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.eventually import PATIENCE_SECONDS
from tests.support.forked import ForkedPython
from tests.support.stepped_clock import SteppedClock

JOB = "cmc_hourly_prices"
_SUPPORT = Path(__file__).parent
MAIN_AT, RUN_AT = str(_SUPPORT / "main_at.py"), str(_SUPPORT / "run_at.py")
"""Scripts that run a command or a job at the instant that is their first argument."""
_SRC = _SUPPORT.parents[1] / "src"
compileall.compile_dir(_SRC, quiet=1)  # here, so that no process has to do it in its copy
_READ_AT_START = ("LANG", "LC_", "LD_", "PYTHON")
"""Variables that a fork would ignore: with one of them set, a new interpreter is started."""


class Finished(NamedTuple):
    code: int  # negative for the number of the signal that ended it
    out: str
    log: str  # its stderr

    @property
    def errors(self) -> list[str]:
        return [line for line in self.log.splitlines() if "[error" in line]


class Running:
    """A process of the program; its output goes to files, so that it never waits for a reader."""

    def __init__(
        self, arguments: list[str], *, cwd: Path, environment: dict[str, str], output: Path, forked: bool
    ) -> None:
        self._out = output.with_suffix(".out")
        self._log = output.with_suffix(".log")
        self._out.touch()
        self._log.touch()
        self.process: ForkedPython | subprocess.Popen[bytes]
        if forked:
            self.process = ForkedPython(arguments, cwd=cwd, environment=environment, out=self._out, log=self._log)
        else:
            with self._out.open("w") as out, self._log.open("w") as log:
                command = [sys.executable, *arguments]
                self.process = subprocess.Popen(
                    command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=log
                )
        self.titles = [self.title()]

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def title(self) -> str:
        """What the system shows of it to everybody on the host; empty when it has ended."""
        try:
            return Path(f"/proc/{self.process.pid}/cmdline").read_text(errors="replace")
        except OSError:
            return ""

    def reap(self) -> None:
        """Take note of its end as soon as it comes, as a shell or cron would; else the ended process stays listed."""
        threading.Thread(target=self.process.wait, daemon=True).start()

    def ended(self) -> Finished:
        self.titles.append(self.title())
        code = self.process.wait(PATIENCE_SECONDS)
        return Finished(code, self._out.read_text(errors="replace"), self.log)

    def end(self, number: signal.Signals = signal.SIGKILL) -> Finished:
        """Send a signal, by default the one that nobody survives, and wait for the end."""
        self.process.send_signal(number)
        return self.ended()


@dataclass
class Installation:
    """A checkout with nothing in it but the program.

    Attributes:
        root: the checkout, made by `make`.
        clock: what time it is for the job.
        settings: environment variables of each process; everything else of this process's environment is left out.
        secrets: what no process may let out, see `leaks`.
    """

    root: Path
    clock: SteppedClock
    settings: dict[str, str]
    secrets: tuple[str, ...] = ()
    _started: list[Running] = field(default_factory=list)

    @classmethod
    def make(
        cls, root: Path, *, clock: SteppedClock, settings: dict[str, str], secrets: tuple[str, ...] = ()
    ) -> Installation:
        shutil.copytree(_SRC, root / "src")
        (root / "logs").mkdir()
        (root / "output").mkdir()
        return cls(root, clock, settings, secrets)

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def lock_note(self) -> Path:
        return self.data / "locks" / f"{JOB}.lock.json"

    @property
    def spooled(self) -> list[Path]:
        return sorted((self.data / "spool" / JOB).glob("*.spool"))

    def step(self) -> str:
        """What the job said last that it does; empty when none runs."""
        return str(self.noted("step") or "")

    def noted(self, what: str) -> object:
        """A fact, such as the pid, of the process that took the job's lock last."""
        try:
            return json.loads(self.lock_note.read_text())[what]
        except (OSError, ValueError):
            return None

    def spooled_keys(self) -> set[tuple[str, str]]:
        """Symbol and hour of every record in the spool."""
        keys = set()
        for path in self.spooled:
            with suppress(FileNotFoundError):  # a job that runs may have stored it meanwhile
                records = [json.loads(line.partition(" ")[2]) for line in path.read_text().splitlines()[1:]]
                keys |= {(record[0], f"{record[-1][:13]}:00:00") for record in records}
        return keys

    def start(self, *arguments: str, **settings: str) -> Running:
        """Start ``python`` with these arguments; settings of this one process go over the others."""
        number = len(self._started)
        running = Running(
            list(arguments),
            cwd=self.root,
            environment={"PYTHONPATH": str(self.root / "src"), "LOG_LEVEL": "DEBUG", **self.settings, **settings},
            output=self.root / "output" / f"{number:04d}",
            forked=not any(name.startswith(_READ_AT_START) for name in {**self.settings, **settings}),
        )
        self._started.append(running)
        return running

    def start_job(self, *arguments: str, job: str = JOB, **settings: str) -> Running:
        """Start the hourly job, or its ``backfill HOURS``; for it, time stands still at what the clock says now."""
        return self.start(RUN_AT, self.clock().isoformat(), job, *arguments, **settings)

    def run_job(self, *arguments: str, job: str = JOB, **settings: str) -> Finished:
        return self.start_job(*arguments, job=job, **settings).ended()

    def at_clock(self, *arguments: str, **settings: str) -> Finished:
        """Run an operator's command to its end, at the time of the clock."""
        return self.start(MAIN_AT, self.clock().isoformat(), *arguments, **settings).ended()

    def command(self, *arguments: str, **settings: str) -> Finished:
        return self.start("-m", "main", *arguments, **settings).ended()

    def end_all(self) -> None:
        for running in self._started:
            if running.process.poll() is None:
                running.end()

    def leaks(self) -> list[str]:
        """Where a secret came out: in a file that the program wrote or printed, in its name, in a process's title."""
        places = [(f"title of process {running.process.pid}", t) for running in self._started for t in running.titles]
        own = {self.root / "src", self.root / ".env"}  # what the program does not write
        files = [path for path in self.root.rglob("*") if path.is_file() and not own & {path, *path.parents}]
        places += [(str(path), f"{path}\n{path.read_bytes().decode(errors='replace')}") for path in files]
        return [place for place, text in places for secret in self.secrets if secret in text]

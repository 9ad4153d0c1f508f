"""A checkout with run.sh and what it reads, on a machine whose Python and uv only write down what they are asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from configurations.config import PROJECT_ROOT
from tests.support.eventually import PATIENCE_SECONDS

RUN_SH = PROJECT_ROOT / "run.sh"
COMMANDS = re.findall(r"^  ([a-z_]+) +[A-Z].*\.$", RUN_SH.read_text(), re.MULTILINE)
"""Those that run.sh lists, in its order."""
_TOOLS = "bash cat cp dirname env flock mkdir readlink rm sed sh sha256sum sort tail"

_PYTHON = """#!/bin/sh
state='{state}'
version=3.11
[ ! -e "$state/version" ] || version=$(cat "$state/version")
case "$*" in
*version_info*) echo "$version" ;;
-V) echo "Python $version" ;;
*ensurepip*) [ ! -e "$state/no_venv" ] ;;
'-m pip --version') ;;
'-m pip config list') cat "$state/pip.conf" 2>/dev/null ;;
'-m venv --clear '*)
    echo "venv ${{4##*/}}" >> "$state/calls"
    rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
'-m pip install '*)
    env > "$state/environment"
    echo "${{0#{root}/}} $*" >> "$state/calls"
    if [ -e "$state/gate" ]; then echo "at the gate"; read -r _ < "$state/gate"; fi
    [ ! -e "$state/failing" ] ;;
*)
    shift
    echo "run $*" >> "$state/calls"
    printf '%s\\n' "$$" "$PWD" "$PYTHONPATH" "$LC_ALL" > "$state/process" ;;
esac
"""

UV = """#!/bin/sh
state='{state}'
echo "uv $*" >> "$state/calls"
env > "$state/environment"
[ ! -e "$state/no_uv" ]
"""


@dataclass(frozen=True)
class BareCheckout:
    """The checkout and its machine.

    Args:
        root: the checkout's folder.
        state: the folder that steers the machine's commands and keeps what they were asked.
    """

    root: Path
    state: Path

    @classmethod
    def make(cls, folder: Path) -> BareCheckout:
        """A checkout in a path with a blank and a per cent; its Python is 3.11, and there is no uv."""
        checkout = cls(folder / "check 100% out", folder / "state")
        for path in (checkout.root, checkout.bin):
            path.mkdir(parents=True)
        for name in ("run.sh", "pyproject.toml"):
            shutil.copy(RUN_SH.parent / name, checkout.root / name)
        for group in ("", "-engine", "-xlsx", "-dev", "-bench"):
            (checkout.root / f"requirements{group}.txt").write_text(f"first{group}")
        for tool in _TOOLS.split():
            (checkout.bin / tool).symlink_to(shutil.which(tool) or tool)
        checkout.add("python3", _PYTHON)
        return checkout

    @property
    def bin(self) -> Path:
        return self.state / "bin"

    @property
    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.state), "PATH": str(self.bin)}

    @property
    def calls(self) -> list[str]:
        """What Python and uv were asked to do, in order; the .venv is named from the checkout."""
        path = self.state / "calls"
        return path.read_text().replace(f"{self.root}/.venv", ".venv").splitlines() if path.exists() else []

    @property
    def installed_with(self) -> dict[str, str]:
        lines = (self.state / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def say(self, name: str, text: str = "") -> None:
        (self.state / name).write_text(text)

    def unsay(self, name: str) -> None:
        (self.state / name).unlink()

    def add(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text.format(state=self.state, root=self.root))
        path.chmod(0o755)

    def files(self) -> set[str]:
        return {os.path.relpath(path, self.root) for path in self.root.rglob("*")}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "run.sh"), *arguments],
            cwd=self.state,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

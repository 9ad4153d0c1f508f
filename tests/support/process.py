"""Programs of this environment, in a process of their own that finds our modules."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from configurations.config import PROJECT_ROOT
from tests.support.eventually import PATIENCE_SECONDS

SRC = PROJECT_ROOT / "src"


def run_program(
    *command: str | Path, folder: str | Path = PROJECT_ROOT, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; of this process's environment it has PATH alone."""
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(SRC), "PATH": os.environ["PATH"], **environment},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )

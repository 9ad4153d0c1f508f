"""The program's version."""

from __future__ import annotations

import re

from configurations.config import PROJECT_ROOT, VERSION


def test_the_version_is_that_of_pyproject() -> None:
    """What the program writes down is what the project is called."""
    found = re.search(r'^version = "(.+)"$', (PROJECT_ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    assert found[1] == VERSION

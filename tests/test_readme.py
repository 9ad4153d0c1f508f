"""README's promises: each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def named_tests() -> list[tuple[Path, str]]:
    """File and test of each name in README; ``::test_x`` alone belongs to the file named before it; "" names a file."""
    found: list[tuple[Path, str]] = []
    for name in re.findall(r"`((?:tests/[\w/]+/|tests/)?(?:test_\w+\.py)?(?:::test_\w+)?)`", README):
        file, _, test = name.partition("::")
        if not file and not test:
            continue
        path = found[-1][0] if not file else ROOT / (file if "/" in file else f"tests/faults/{file}")
        found.append((path, test))
    return found


def test_every_test_that_readme_names_is_there() -> None:
    """A promise whose proof was renamed or removed fails here."""
    named = named_tests()
    assert len(named) > 60
    missing = [
        f"{path.relative_to(ROOT)}::{test}"
        for path, test in named
        if not path.is_file() or (test and f"def {test}(" not in path.read_text())
    ]
    assert missing == []


def test_every_link_into_the_checkout_leads_somewhere() -> None:
    """No link of README is dead."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    assert [link for link in links if not (ROOT / link).exists()] == []

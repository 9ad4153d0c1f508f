"""README and docs/: every link works, and every command that they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from configurations.config import PROJECT_ROOT
from tests.support.bare_checkout import COMMANDS

PAGES = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """Links to other sites are not followed."""
    dead = []
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        file, _, heading = link.partition("#")
        if file.startswith("http"):
            continue
        target = page.parent / file if file else page
        if not target.exists() or (heading and heading not in headings(target)):
            dead.append(link)
    assert dead == []


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_commands_named_in_pages_exist() -> None:
    """In code blocks and within sentences."""
    named = set(re.findall(r"\./run\.sh ([a-z][a-z_]+)", "\n".join(page.read_text() for page in PAGES)))
    assert named - {"help"} <= set(COMMANDS)

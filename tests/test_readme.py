"""README and docs/: short enough, every link and every test that they name is there, and so is every message."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.bare_checkout import COMMANDS
from tests.support.docs import DOCS, PAGES, ROOT

SOURCES = [path.read_text() for path in sorted((ROOT / "src").rglob("*.py"))]
SAID = re.findall(r"^\| `([^`]+)`[^|]* \|", DOCS.partition("## When it says …")[2].partition("\n# ")[0], re.MULTILINE)
"""The messages of the troubleshooting table; ``…`` stands for what differs."""


def named_tests(page: str) -> list[tuple[Path, str]]:
    """File and test of each name in a page; ``::test_x`` alone belongs to the file named before it; "" names a file."""
    found: list[tuple[Path, str]] = []
    for name in re.findall(r"`((?:tests/[\w/]+/|tests/)?(?:test_\w+\.py)?(?:::test_\w+)?)`", page):
        file, _, test = name.partition("::")
        if not file and not test:
            continue
        path = found[-1][0] if not file else ROOT / (file if "/" in file else f"tests/faults/{file}")
        found.append((path, test))
    return found


def test_every_test_that_the_guarantees_name_is_there() -> None:
    """A promise whose proof was renamed or removed fails here."""
    named = named_tests((ROOT / "docs" / "guarantees.md").read_text())
    assert len(named) > 100
    missing = [
        f"{path.relative_to(ROOT)}::{test}"
        for path, test in named
        if not path.is_file() or (test and f"def {test}(" not in path.read_text())
    ]
    assert missing == []


def test_readme_is_read_in_a_few_minutes() -> None:
    """At most 150 lines: the rest stands in docs/."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """No link of a page is dead, nor the heading that it names."""
    dead = []
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
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


def test_every_command_that_a_page_names_is_one() -> None:
    """Also within a sentence."""
    named = set(re.findall(r"\./run\.sh ([a-z][a-z_]+)", DOCS))
    assert named - {"help"} <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_in_plain_words(page: Path) -> None:
    """Names of tests aside, none of the words that the project's language leaves out."""
    sentences = re.sub(r"`[^`]*`", "", page.read_text())
    assert (
        re.findall(r"\b(?:nobody|somebody|whoever|bears|told|colours?|behaviours?)\b", sentences, re.IGNORECASE) == []
    )


def text_of(node: ast.AST) -> str | None:
    """A text of the program, with ``…`` for what is put into it while it runs; None for what is no text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(part_of, node.values))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def part_of(node: ast.expr) -> str:
    """A part of such a text; Python puts quotes around what is shown by ``!r``."""
    if isinstance(node, ast.FormattedValue):
        return "'…'" if node.conversion == ord("r") else "…"
    return text_of(node) or ""


def fixed_parts(message: str) -> list[str]:
    """What stands in a message whenever it comes; codes are put into it."""
    return [part.strip() for part in re.split(r"…|\d+", message) if part.strip()]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Every text of the program."""
    nodes = (node for source in SOURCES for node in ast.walk(ast.parse(source)))
    return [text for node in nodes if (text := text_of(node))]


@pytest.mark.parametrize("message", SAID)
def test_every_message_that_readme_explains_is_one_of_the_programs(message: str, texts: list[str]) -> None:
    """Its fixed parts are in the program's texts, and its codes among the program's numbers."""
    assert [part for part in fixed_parts(message) if not any(part in text for text in texts)] == []
    numbers = re.findall(r"\d+", message)
    assert [number for number in numbers if not any(re.search(rf"\b{number}\b", source) for source in SOURCES)] == []


def test_readme_explains_what_status_says() -> None:
    """Whatever `status` names as needing a person has its line in the table."""
    facts = ast.parse((ROOT / "src" / "commands" / "status_facts.py").read_text())
    said = [text_of(node.value) or "" for node in ast.walk(facts) if isinstance(node, ast.Yield) and node.value]
    assert len(said) >= 8
    explained = [fixed_parts(message) for message in SAID]
    assert [text for text in said if not any(all(part in text for part in parts) for parts in explained)] == []

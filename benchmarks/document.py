"""The findings as a document. Pure, but for the look at this machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.rivals import RIVALS
from benchmarks.section import Section

_PACKAGES = ("clickhouse-connect", "chdb-core", "httpx", "dlt", "duckdb")


def document(sections: Sequence[Section]) -> str:
    """All of it, in Markdown."""
    head = [
        "# Measured",
        "",
        "Written by `./run.sh bench` from the last measurement of each section that was made in this checkout.",
        "",
        f"- Machine: {machine()}",
        f"- Versions: {versions()}",
        "- Wall times of a shared machine drift: medians are shown; targets are ratios of what was measured in turn.",
        "",
        "## Targets",
        "",
        *_table(("target", "bound", "measured", "reached"), _targets(sections)),
    ]
    return "\n".join([*head, *(line for section in sections for line in _section(section)), ""])


def machine() -> str:
    """Processor, memory and system; no host name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{_processor()}, {os.cpu_count()} processors, {memory:.0f} GB, Linux {platform.release().split('-')[0]}"


def versions() -> str:
    """Python's and those of the libraries that matter here."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in _PACKAGES)])


def _version(name: str) -> str:
    """A library's version; dlt and duckdb are in an environment of their own, which only ./run.sh bench installs."""
    path = [*sys.path, *map(str, RIVALS.glob("lib/python*/site-packages"))]
    return next((found.version for found in distributions(name=name, path=path)), "not installed")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _targets(sections: Sequence[Section]) -> list[tuple[str, str, str, str]]:
    rows = []
    for target in (target for section in sections for target in section.targets):
        outcome = "yes" if target.reached else f"no: {target.reason}" if target.reason else "no"
        rows.append((target.what, f"{target.bound:g}", f"{target.measured:.3g}", outcome))
    return rows


def _section(section: Section) -> list[str]:
    remarks = [f"- {remark}" for remark in (*section.remarks, section.measured)]
    return ["", f"## {section.title}", "", *_table(section.columns, section.rows), "", *remarks]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]

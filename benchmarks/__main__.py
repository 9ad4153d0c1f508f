"""``python -m benchmarks [--quick] [--large] [NAME ...]``: measure, show it, write it to RESULTS.md."""

from __future__ import annotations

import argparse
import inspect
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from adapters._bases.tehran_time import tehran_text
from benchmarks import backfill, memory, reads, server, upsert, whole_process
from benchmarks.document import document
from benchmarks.plan import Plan
from benchmarks.section import Section
from configurations.config import PROJECT_ROOT
from crons.exits import EPILOG

BENCHMARKS: dict[str, Callable[[Plan], Section]] = {
    "process": whole_process.measure,
    "backfill": backfill.measure,
    "memory": memory.measure,
    "upsert": upsert.measure,
    "reads": reads.measure,
    "year": reads.measure_year,
    "server": server.measure,
}
_RESULTS = Path(__file__).with_name("RESULTS.md")
# Beside the data of real runs, so that the disk that is measured is theirs.
_FOLDER = PROJECT_ROOT / "data" / "bench"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for; what was measured at the full sizes goes into RESULTS.md."""
    asked = bench().parse_args(arguments)
    names = asked.names or list(BENCHMARKS)
    if unknown := sorted(set(names) - BENCHMARKS.keys()):
        sys.stderr.write(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        plan = Plan(folder=Path(folder), kept=asked.folder / "large").of_size(asked.size)
        sections = [_measured(name, plan, asked.size) for name in names]
    sys.stdout.write(document(sections))
    if asked.size in ("full", "large"):
        _keep(sections, asked.folder / "sections")
    return 0


def _keep(sections: Sequence[Section], folder: Path) -> None:
    """Put these in place of those measured before, and all together into RESULTS.md."""
    folder.mkdir(exist_ok=True)
    for section in sections:
        (folder / f"{section.name}.json").write_text(section.as_json(), encoding="utf-8")
    kept = [path for path in (folder / f"{name}.json" for name in BENCHMARKS) if path.exists()]
    found = [Section.from_json(path.read_text(encoding="utf-8")) for path in kept]
    _RESULTS.write_text(document(found), encoding="utf-8")


def _measured(name: str, plan: Plan, size: str) -> Section:
    sys.stderr.write(f"measuring: {name}\n")
    section = BENCHMARKS[name](plan)
    section.measured = f"Measured {tehran_text(datetime.now(timezone.utc))} (Tehran), size: {size}."
    return section


def bench() -> argparse.ArgumentParser:
    """Measure what the program costs, beside dlt.

    Against dlt, against the floor, and against the size of the table. All
    benchmarks take some ten minutes and write benchmarks/RESULTS.md; --tiny
    and --quick write nothing.
    """
    parser = argparse.ArgumentParser(
        prog="./run.sh bench",
        description=inspect.getdoc(bench),
        epilog=f"Example: ./run.sh bench --quick process\n\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all unless given")
    parser.set_defaults(size="full")
    sizes = parser.add_mutually_exclusive_group()
    for size, words in (
        ("tiny", "the smallest of everything: shows that it works, measures nothing"),
        ("quick", "smaller and fewer: a first idea"),
        ("large", "also a table of 100 million rows, which is kept for the next time, and a whole year of updates"),
    ):
        sizes.add_argument(f"--{size}", dest="size", action="store_const", const=size, help=words)
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where its data go; data/bench unless given")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""How large and how often: the sizes of a full, a quick and a tiny run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

Size = Literal["tiny", "quick", "full", "large"]


class Plan(NamedTuple):
    """Sizes of everything that is measured.

    Attributes:
        folder: of the run's own data; emptied afterwards by whoever made it.
        kept: where the largest table is kept for the next time.
        runs: repetitions of the hourly run beside its rivals.
        backfill_runs: repetitions of the backfills beside theirs.
        rounds: repetitions of each step against a table.
        coins: of the larger hourly run, and of the largest backfill.
        backfill: coins and hours of the backfill.
        long_hours: hours of the shorter and the longer of the two largest backfills.
        table_symbols: coins in each table.
        table_hours: hours of the tables, the smallest first.
        large_hours: hours of the table that is kept; measured only if it is among `table_hours`.
        wide: coins and hours of the largest update.
        patches: patch updates between two reads.
        year: updates of the simulated year.
    """

    folder: Path
    kept: Path
    runs: int = 7
    backfill_runs: int = 3
    rounds: int = 5
    coins: int = 1_000
    backfill: tuple[int, int] = (100, 168)
    long_hours: tuple[int, int] = (168, 720)
    table_symbols: int = 1_000
    table_hours: tuple[int, ...] = (100, 1_000, 10_000)
    large_hours: int = 100_000
    wide: tuple[int, int] = (168, 100)
    patches: int = 1_000
    year: int = 1_000

    def of_size(self, size: Size) -> Plan:
        """The plan at another size; it is itself the full one."""
        if size == "large":
            return self._replace(table_hours=(*self.table_hours, self.large_hours), year=8_760)
        if size == "quick":
            return self._replace(
                runs=2, backfill_runs=1, rounds=2, long_hours=(24, 96), table_hours=(100, 1_000), patches=100, year=200
            )
        if size == "tiny":
            return self._replace(
                runs=1,
                backfill_runs=1,
                rounds=1,
                coins=4,
                backfill=(2, 3),
                long_hours=(2, 3),
                table_symbols=4,
                table_hours=(5, 8),
                wide=(2, 3),
                patches=2,
                year=3,
            )
        return self

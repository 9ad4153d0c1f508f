"""Backfill: first time, again with other prices, again unchanged; against dlt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.child import Ran, peaks, walls
from benchmarks.job import Job, counts
from benchmarks.plan import Plan
from benchmarks.rivals import dlt
from benchmarks.section import Section, Target, megabytes, ratio, seconds
from benchmarks.stand_in import stand_in, symbols

PASSES = ("first time", "again, other prices", "again, unchanged")
_WALL_BOUND, _MEMORY_BOUND, _CALLS_BOUND = 0.4, 0.5, 4
_KEY_CALLS = 1  # what the key's plan is, asked before anything is spent; free of charge
_OTHER_PRICES_EVERY = 1_699  # seconds: prices then stand still between points that another stand-in moves every second
_NAMES = ("backfill", "dlt", "dlt, parquet")
_WAITS = "the stand-in's work is in both, and this machine had other work to do"
_QUICKER_DLT = "not dlt's default; told because it is the quicker dlt"
_ENGINE_ALONE = "not dlt's default; and the embedded engine takes some 300 MB before it does anything"


def measure(plan: Plan) -> Section:
    """Each pass by each program, as many times as the plan says, on fresh folders."""
    coins, hours = plan.backfill
    section = Section(
        "backfill",
        f"Backfill: {coins} coins, {hours} hours, {coins * hours:,} rows",
        ("pass", "program", "wall", "peak memory", "wall of ours to it", "memory of ours to it", "rows", "HTTP calls",
         "credits"),
        remarks=[
            f"Wall times include the stand-in's work, equal for all: it makes {2 * coins * hours:,} points.",
            "HTTP calls hold one of key/info, free of charge, by which a backfill checks that it can be paid for.",
        ],
    )  # fmt: skip
    runs: dict[tuple[str, str], list[Ran]] = {}
    with stand_in(coins=coins) as source, stand_in(coins=coins, update_every_seconds=_OTHER_PRICES_EVERY) as other:
        for number in range(plan.backfill_runs):
            programs = _programs(plan.folder / f"backfill-{number}", coins, hours)
            for name, address in zip(PASSES, (source, other, other), strict=True):
                for program in _NAMES:
                    runs.setdefault((name, program), []).append(programs[program](address))
    for name in PASSES:
        _add(section, name, [runs[name, program] for program in _NAMES])
    return section


def _programs(folder: Path, coins: int, hours: int) -> dict[str, Callable[[str], Ran]]:
    """What runs each program against the stand-in at an address."""
    folder.mkdir(parents=True)
    return {
        "backfill": lambda source: Job(folder=folder, source=source, symbols=symbols(coins)).backfill(hours),
        "dlt": lambda source: dlt(
            folder=folder, source=source, coins=coins, hours=hours, file_format="insert_values"
        )(),
        "dlt, parquet": lambda source: dlt(
            folder=folder, source=source, coins=coins, hours=hours, file_format="parquet"
        )(),
    }


def _add(section: Section, name: str, runs: list[list[Ran]]) -> None:
    ours = runs[0]
    told = counts(ours[-1])
    did = ", ".join(f"{told[what]:,} {what}" for what in ("inserted", "updated", "unchanged") if told[what])
    wall = [ratio(walls(ours), walls(other)) for other in runs]
    memory = [ratio(peaks(ours), peaks(other)) for other in runs]
    for number, (program, of_one) in enumerate(zip(_NAMES, runs, strict=True)):
        own = (did, str(told["calls"]), str(told["credits"])) if number == 0 else ("", "", "")
        figures = (seconds(walls(of_one)), megabytes(peaks(of_one)), f"{wall[number]:.2f}", f"{memory[number]:.2f}")
        section.rows.append((name, program, *figures, *own))
    section.targets += [
        Target(f"backfill {name}: wall to dlt's", _WALL_BOUND, wall[1], _WAITS),
        Target(f"backfill {name}: peak memory to dlt's", _MEMORY_BOUND, memory[1]),
        Target(f"backfill {name}: wall to dlt's with parquet files", _WALL_BOUND, wall[2], _QUICKER_DLT),
        Target(f"backfill {name}: peak memory to dlt's with parquet files", _MEMORY_BOUND, memory[2], _ENGINE_ALONE),
        Target(f"backfill {name}: HTTP calls for prices", _CALLS_BOUND, told["calls"] - _KEY_CALLS),
    ]

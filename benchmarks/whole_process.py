"""Whole process: the hourly job from its start to its end, against dlt and against the floor."""

from __future__ import annotations

import statistics

from benchmarks.child import in_turn, peaks, run_program, walls
from benchmarks.job import Job, bare_environment
from benchmarks.plan import Plan
from benchmarks.rivals import dlt, floor
from benchmarks.section import Section, Target, megabytes, ratio, seconds
from benchmarks.stand_in import stand_in, symbols
from configurations.config import PROJECT_ROOT

FEW = 3
_DLT_BOUNDS = (0.8, 0.7)
_FLOOR_BOUND = 1.6
_HELP_BOUND_SECONDS = 0.1
_NAMES = ("cron_run", "dlt", "dlt, parquet", "floor")


def measure(plan: Plan) -> Section:
    """The job, dlt twice and the floor, in turn; at 3 coins and at `plan.coins`."""
    section = Section(
        "process",
        "Whole process: one hourly run",
        ("coins", "program", "wall", "peak memory", "wall of cron_run to it"),
        remarks=[
            "Embedded engine, stand-in in a process of its own; programs in turn after a warm-up, ratios pair by pair.",
            "dlt: REST to duckdb, upsert on (symbol, hour), telemetry off; once as it comes, once with parquet files.",
            "Floor: a Python that imports httpx and clickhouse-connect, opens the engine and makes one GET.",
        ],
    )
    with stand_in(coins=max(plan.coins, FEW)) as source:
        for coins, dlt_bound in zip((FEW, plan.coins), _DLT_BOUNDS, strict=True):
            _add(section, plan, source, coins, dlt_bound)
    _add_help(section, plan)
    return section


def _add_help(section: Section, plan: Plan) -> None:
    (runs,) = in_turn(plan.runs, lambda: run_program([str(PROJECT_ROOT / "run.sh"), "help"], bare_environment()))
    section.rows.append(("", "run.sh help", seconds(walls(runs)), megabytes(peaks(runs)), ""))
    section.targets.append(Target("run.sh help: wall, seconds", _HELP_BOUND_SECONDS, statistics.median(walls(runs))))


def _add(section: Section, plan: Plan, source: str, coins: int, dlt_bound: float) -> None:
    folder = plan.folder / f"process-{coins}"
    folder.mkdir(parents=True)
    runs = in_turn(
        plan.runs,
        Job(folder=folder, source=source, symbols=symbols(coins)).run,
        dlt(folder=folder, source=source, coins=coins, file_format="insert_values"),
        dlt(folder=folder, source=source, coins=coins, file_format="parquet"),
        floor(folder=folder, source=source, coins=coins),
    )
    ratios = [ratio(walls(runs[0]), walls(other)) for other in runs]
    for name, of_one, compared in zip(_NAMES, runs, ratios, strict=True):
        section.rows.append((f"{coins:,}", name, seconds(walls(of_one)), megabytes(peaks(of_one)), f"{compared:.2f}"))
    section.targets += [
        Target(f"cron_run of {coins:,} coins: wall to dlt's", dlt_bound, ratios[1]),
        Target(f"cron_run of {coins:,} coins: wall to the floor", _FLOOR_BOUND, ratios[3]),
    ]

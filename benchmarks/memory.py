"""Memory: a backfill streams, so its peak does not grow with the hours."""

from __future__ import annotations

from benchmarks.job import Job, counts
from benchmarks.plan import Plan
from benchmarks.section import Section, Target, megabytes, seconds
from benchmarks.stand_in import stand_in, symbols

_PEAK_BOUND, _GROWTH_BOUND = 600, 1.2


def measure(plan: Plan) -> Section:
    """One backfill of each length, on a folder of its own."""
    section = Section(
        "memory",
        f"Memory: backfill of {plan.coins:,} coins",
        ("hours", "rows", "wall", "peak memory", "rows a second"),
        remarks=["One run of each; the stand-in is a process of its own, its minute limit high."],
    )
    peaks = []
    with stand_in(coins=plan.coins) as source:
        for hours in plan.long_hours:
            folder = plan.folder / f"memory-{hours}"
            folder.mkdir(parents=True)
            ran = Job(folder=folder, source=source, symbols=symbols(plan.coins)).backfill(hours)
            rows, wall = counts(ran)["inserted"], ran.wall_seconds
            peaks.append(ran.peak_megabytes)
            figures = (seconds([wall]), megabytes([ran.peak_megabytes]), f"{rows / wall:,.0f}")
            section.rows.append((f"{hours:,}", f"{rows:,}", *figures))
    section.targets += [
        Target(f"peak memory of {plan.long_hours[-1]} hours, MB", _PEAK_BOUND, peaks[-1]),
        Target(f"peak memory of {plan.long_hours[-1]} hours to that of {plan.long_hours[0]}", _GROWTH_BOUND,
               peaks[-1] / peaks[0]),
    ]  # fmt: skip
    return section

"""Reads of the view, before and after many patch updates, against FINAL; and a year of hourly updates."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from benchmarks.big_table import BigTable, engine, make_table
from benchmarks.clock import timed
from benchmarks.plan import Plan
from benchmarks.section import Section, Target, ratio, seconds

_MONTH = "SELECT * FROM {table} WHERE symbol = 'S0001' AND datetime >= '2026-10-24 13:00:00'"
_LATEST = "SELECT * FROM {table} WHERE datetime = '2026-11-23 12:00:00'"
_READS = {"one symbol, 30 days": _MONTH, "all symbols, latest hour": _LATEST}
_YEAR_BOUND = 1.2
_TOUCHED = 100
_READ_ROUNDS = 9
_YEAR_SYMBOLS, _YEAR_HOURS = 100, 1_000


def measure(plan: Plan) -> Section:
    """The two reads on a large table, around `plan.patches` updates of a hundred keys each."""
    hours = max(hours for hours in plan.table_hours if hours < plan.large_hours)
    section = Section(
        "reads",
        f"Reads at {plan.table_symbols * hours / 1e6:g} million rows, around {plan.patches:,} patch updates",
        ("read", "from", "before", "right after", "after to before"),
        remarks=[
            f"Each update changes {_TOUCHED} keys of one hour, the last hours in turn; medians of {_READ_ROUNDS}."
        ],
    )
    with engine(plan.folder / "reads") as own:
        table = make_table(own, database="reads", symbols=plan.table_symbols, hours=hours)
        before = _read_times(table)
        updates = _update_many(table, plan.patches)
        after = _read_times(table)
    for (read, source), times in before.items():
        compared = ratio(after[read, source], times)
        section.rows.append((read, source, seconds(times), seconds(after[read, source]), f"{compared:.2f}"))
    section.remarks.append(f"One of these updates takes {seconds(updates)}, the median.")
    return section


def measure_year(plan: Plan) -> Section:
    """A table that got an update an hour for a year, beside one that got none; read in turn."""
    section = Section(
        "year",
        f"Patch parts are merged away: {plan.year:,} updates, {_YEAR_SYMBOLS * _YEAR_HOURS:,} rows",
        ("read of the view", "fresh table", "after the updates", "ratio"),
        remarks=[
            "An upsert that updates 3 keys, one after the other without a pause: a year of hourly runs of 3 symbols.",
        ],
    )
    with engine(plan.folder / "year") as own:
        symbols, hours = min(_YEAR_SYMBOLS, plan.table_symbols), min(_YEAR_HOURS, max(plan.table_hours))
        tables = [make_table(own, database=name, symbols=symbols, hours=hours) for name in ("fresh", "updated")]
        prices = count(1.0)
        spent = [
            timed(lambda: tables[1].repository.upsert_prices(tables[1].rows(symbols=3, hours=1, price=next(prices))))
            for _ in range(plan.year)
        ]
        times = _in_turn(tables)
        patches = own.query(
            "SELECT count() FROM system.parts WHERE active AND database = 'updated' AND startsWith(name, 'patch-')"
        )
    for read, (fresh, updated) in times.items():
        compared = ratio(updated, fresh)
        section.rows.append((read, seconds(fresh), seconds(updated), f"{compared:.2f}"))
        section.targets.append(Target(f"{read}, after {plan.year:,} updates: to a fresh table", _YEAR_BOUND, compared))
    tenth = max(1, len(spent) // 10)
    section.remarks.append(
        f"Patch parts left: {patches[0][0]}. One upsert: {seconds(spent[:tenth])} in the first tenth, "
        f"{seconds(spent[-tenth:])} in the last."
    )
    return section


def _update_many(table: BigTable, updates: int) -> list[float]:
    """Update hour after hour, and begin again after a day; the wall seconds of each."""

    def update(number: int) -> Callable[[], object]:
        rows = table.rows(symbols=min(_TOUCHED, table.symbols), hours=1, price=10.0 + number, ahead=-(number % 24))
        return lambda: table.repository.upsert_prices(rows)

    return [timed(update(number)) for number in range(updates)]


def _read_times(table: BigTable) -> dict[tuple[str, str], list[float]]:
    """Seconds of each read, from the view, the table as it is and the table with FINAL."""
    sources = {"view": table.view, "table": table.table, "table FINAL": f"{table.table} FINAL"}
    return {
        (read, source): [
            timed(lambda: table.clickhouse.query(statement.format(table=name)))  # noqa: B023 - called at once
            for _ in range(_READ_ROUNDS)
        ]
        for read, statement in _READS.items()
        for source, name in sources.items()
    }


def _in_turn(tables: list[BigTable]) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of each read of each table's view, in turn."""
    times = {}
    for read, statement in _READS.items():
        rounds = [
            [timed(lambda: table.clickhouse.query(statement.format(table=table.view))) for table in tables]  # noqa: B023
            for _ in range(_READ_ROUNDS * 2)
        ]
        times[read] = ([one[0] for one in rounds], [one[1] for one in rounds])
    return times

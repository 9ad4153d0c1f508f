"""Upsert against the size of the table: what is new, what changes, and the forms of ALTER that are not used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.coin_market_cap_table import PriceRow
from benchmarks.big_table import LAST_HOUR, BigTable, RecordingAdapter, engine, make_table, open_table
from benchmarks.clock import timed
from benchmarks.plan import Plan
from benchmarks.section import Section, Target, ratio, seconds

_INSERT, _PATCH = "insert new keys", "the ALTER of an update alone"
_HEAVY, _ONE_BY_ONE = "one heavy ALTER", "one heavy ALTER a row"
_AS_PATCH = ", alter_update_mode = 'lightweight'"
_WHOLE = "the whole upsert also looks, compares and spells out the values; like for like is the ALTER alone, above"
_ONES = 20
_HEAVY_BOUND, _GROWTH_BOUND, _WIDTH_BOUND, _INSERT_BOUND = 0.1, 2.0, 5.0, 1.5
_FEW = 3
Times = dict[tuple[str, int], list[float]]


def measure(plan: Plan) -> Section:
    """The same steps on every table in turn, as many rounds as the plan says."""
    sizes = [plan.table_symbols * hours for hours in plan.table_hours]
    section = Section(
        "upsert",
        "Upsert against the size of the table",
        ("step", "keys", *(f"{size / 1e6:g} million rows" for size in sizes)),
        remarks=[
            "Embedded engine; each step on every table in turn, medians; upserts are whole: look, compare, write.",
            f"{_ONE_BY_ONE}: the median of {_ONES}, times the keys of the line.",
            "The heavy forms are left out at 100 million rows: they look into every part of the table.",
        ],
    )
    times: Times = {}
    large = plan.large_hours in plan.table_hours
    with engine(plan.kept if large else plan.folder / "upsert") as own:
        tables = [_table(own, plan, hours) for hours in plan.table_hours]
        _measure_tables(plan, tables, times)
    widths = [_FEW, plan.table_symbols, plan.wide[0] * plan.wide[1]]
    steps = [_INSERT, *(_update(width) for width in widths), _PATCH, _HEAVY, _ONE_BY_ONE]
    keys = [plan.table_symbols, *widths, widths[-1], widths[-1], widths[-1]]
    for step, width in zip(steps, keys, strict=True):
        figures = [seconds(times[step, size]) if (step, size) in times else "not measured" for size in sizes]
        section.rows.append((step.split(":")[0], f"{width:,}", *figures))
    section.targets = _targets(times, widths, sizes)
    return section


def _targets(times: Times, widths: list[int], sizes: list[int]) -> list[Target]:
    wide, smallest = _update(widths[-1]), sizes[0]
    chief = sizes[2] if len(sizes) > 2 else sizes[-1]  # noqa: PLR2004 - ten million rows, or the largest there is
    at, words = f"at {chief / 1e6:g} million rows", f"update of {widths[-1]:,} keys"
    return [
        Target(f"ALTER of an {words} {at}: to one heavy ALTER of as many", _HEAVY_BOUND,
               ratio(times[_PATCH, chief], times[_HEAVY, chief])),
        Target(f"{words} {at}, the whole upsert: to one heavy ALTER of as many", _HEAVY_BOUND,
               ratio(times[wide, chief], times[_HEAVY, chief]), _WHOLE),
        Target(f"{words} {at}: to the same at {smallest / 1e6:g} million", _GROWTH_BOUND,
               ratio(times[wide, chief], times[wide, smallest])),
        Target(f"update of {widths[1]:,} keys {at}: to that of {widths[0]}", _WIDTH_BOUND,
               ratio(times[_update(widths[1]), chief], times[_update(widths[0]), chief])),
        Target(f"insert of {widths[1]:,} new keys at {sizes[-1] / 1e6:g} million rows: to the same at "
               f"{smallest / 1e6:g} million", _INSERT_BOUND,
               ratio(times[_INSERT, sizes[-1]], times[_INSERT, smallest])),
    ]  # fmt: skip


def _measure_tables(plan: Plan, tables: list[BigTable], times: Times) -> None:
    prices = count(1_000.0)
    for number in range(-1, plan.rounds):  # the first is the warm-up
        for table in tables:
            for step, spent in _steps(plan, table, number + 2, prices):
                if number >= 0:
                    times.setdefault((step, table.symbols * table.hours), []).append(spent)
    for table in (table for table in tables if table.hours < plan.large_hours):
        rows = table.rows(symbols=plan.wide[0], hours=plan.wide[1], price=next(prices))
        times[_ONE_BY_ONE, table.symbols * table.hours] = [len(rows) * _one_alter(table, row) for row in rows[:_ONES]]


def _steps(plan: Plan, table: BigTable, ahead: int, prices: Iterator[float]) -> Iterator[tuple[str, float]]:
    """Each step once, with its wall seconds."""
    new = table.rows(symbols=table.symbols, hours=1, price=next(prices), ahead=ahead)
    yield _INSERT, _upsert(table, new)
    for symbols, hours in ((_FEW, 1), (table.symbols, 1), plan.wide):
        rows = table.rows(symbols=symbols, hours=hours, price=next(prices))
        yield _update(len(rows)), _upsert(table, rows)
    update = table.clickhouse.last_alter
    yield _PATCH, timed(lambda: table.clickhouse.command(update))
    if table.hours < plan.large_hours:
        yield _HEAVY, timed(lambda: table.clickhouse.command(_heavy(update)))


def _upsert(table: BigTable, rows: list[PriceRow]) -> float:
    return timed(lambda: table.repository.upsert_prices(rows))


def _one_alter(table: BigTable, row: PriceRow) -> float:
    table.repository.upsert_prices([row])
    return timed(lambda: table.clickhouse.command(_heavy(table.clickhouse.last_alter)))


def _heavy(update: str) -> str:
    """The same ALTER … UPDATE in the form that rewrites whole parts, as servers before 26.9 do it."""
    if _AS_PATCH not in update:
        raise ValueError("the update was no patch part to begin with")
    return update.replace(_AS_PATCH, "")


def _update(width: int) -> str:
    return f"update: {width}"


def _table(clickhouse: RecordingAdapter, plan: Plan, hours: int) -> BigTable:
    """A fresh table; the largest is made once and kept, without the rows that earlier rounds inserted."""
    database = f"rows_{hours}"
    kept = open_table(clickhouse, database=database, symbols=plan.table_symbols, hours=hours)
    whole = kept.repository.table_exists() and kept.repository.count_rows() >= kept.symbols * kept.hours
    if hours < plan.large_hours or not whole:
        return make_table(clickhouse, database=database, symbols=plan.table_symbols, hours=hours)
    clickhouse.command(f"DELETE FROM {kept.table} WHERE fetched_at > '{tehran_text(LAST_HOUR)}'")
    return kept

"""Server path: the statements and round trips of a run, as a server over HTTP counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from benchmarks.big_table import engine
from benchmarks.job import Job, counts
from benchmarks.plan import Plan
from benchmarks.section import Section, Target
from benchmarks.stand_in import stand_in, symbols

_UPSERT_BOUND, _CHUNK_BOUND, _ROUND_TRIP_BOUND = 3, 10, 8
_IDS_A_CALL = 250
_OTHER_PRICES_EVERY = 1_699


def measure(plan: Plan) -> Section:
    """An hourly run that inserts and one that updates, then the same of a backfill; statements of each."""
    # Loaded here: it brings the embedded engine with it, which the other benchmarks have no use for.
    from tests.support.clickhouse_front import ClickHouseFront  # noqa: PLC0415

    section = Section(
        "server",
        "Server path: statements and round trips",
        ("work", "rows", "HTTP calls to the source", "round trips to ClickHouse", "handshake",
         "look at the shape", "upsert", "statements"),
        remarks=["Counted by an HTTP front over the embedded engine. Making the table happens in the first run only."],
    )  # fmt: skip
    folder = plan.folder / "server"
    folder.mkdir(parents=True)
    coins, hours = plan.backfill
    with (
        stand_in(coins=plan.coins) as source,
        stand_in(coins=plan.coins, update_every_seconds=_OTHER_PRICES_EVERY) as other,
        engine(folder / "engine") as own,
    ):
        own.query("SELECT 1")
        with ClickHouseFront(folder / "engine") as front:
            for what, address, chosen, past in (
                (f"run, {plan.coins:,} coins, table made", source, plan.coins, 0),
                (f"run, {plan.coins:,} coins, again", other, plan.coins, 0),
                (f"backfill, {coins} coins, {hours} h, new", source, coins, hours),
                (f"backfill, {coins} coins, {hours} h, changed", other, coins, hours),
            ):
                job = Job(folder=folder, source=address, symbols=symbols(chosen), server_port=front.port)
                front.statements.clear()
                told = counts(job.backfill(past) if past else job.run())
                _add(section, what, front.statements, told, ids=chosen, past=bool(past))
                if what.endswith("coins, again"):
                    section.targets.append(Target(f"{what}: round trips", _ROUND_TRIP_BOUND, front.round_trips))
    return section


def _add(section: Section, what: str, statements: list[str], told: Mapping[str, int], *, ids: int, past: bool) -> None:
    kinds = [_kind(statement) for statement in statements]
    upsert = [kind for kind in kinds if kind in ("SELECT rows", "ALTER", "INSERT")]
    rows = told["inserted"] + told["updated"] + told["unchanged"]
    of_kind = Counter(kinds)
    section.rows.append(
        (what, f"{rows:,}", str(told["calls"]), str(len(statements)), str(of_kind["handshake"]),
         str(of_kind["shape"]), str(len(upsert)), ", ".join(f"{count} {kind}" for kind, count in of_kind.items()))
    )  # fmt: skip
    bound = _CHUNK_BOUND if past else _UPSERT_BOUND
    section.targets.append(Target(f"{what}: statements of the upsert", bound, len(upsert)))
    if not past:
        calls = 1 + -(-ids // _IDS_A_CALL)
        section.targets.append(Target(f"{what}: HTTP calls", calls, told["calls"]))


def _kind(statement: str) -> str:
    """What a statement is for."""
    text = " ".join(statement.split())
    if "system.tables" in text or "system.columns" in text:
        return "shape"
    if text.startswith("CREATE"):
        return "CREATE"
    if "crypto_prices" in text:
        return {"ALTER": "ALTER", "INSERT": "INSERT"}.get(text.split()[0], "SELECT rows")
    return "history" if "etl_runs" in text or "crypto_price_holes" in text else "handshake"

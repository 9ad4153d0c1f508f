"""``./run.sh bench [--tiny] [NAME ...]``: what the program costs, relative to dlt and the floor.

Programs are measured in turn after a warm-up, and ratios are medians of pairs, so that a machine that slows down does
not change them. RESULTS.md is written by hand.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from adapters._bases.tehran_time import tehran_text
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import PriceRow
from commands.screen import show_table
from configurations.config import PROJECT_ROOT, load_settings
from crons.exits import EPILOG
from crons.registry import find_job
from crons.resources import Resources
from sandbox.coin_market_cap import StandIn
from sandbox.market import generated_coins

JOB = "cmc_hourly_prices"
PROGRAMS = Path(__file__).with_name("programs.py")
RIVALS = Path(sys.prefix, "bench", "bin", "python")
"""The Python of dlt's own environment: it brings pyarrow, which the engine would load."""
LAST_HOUR = datetime(2026, 11, 23, 8, 30, tzinfo=timezone.utc)  # of the tables of `table`; 12:00 in Tehran
FEW = 3


class Plan(NamedTuple):
    """How large and how often."""

    folder: Path
    runs: int
    coins: int = 1_000
    backfill: tuple[int, int] = (100, 168)
    table_hours: tuple[int, ...] = (100, 1_000, 10_000)
    table_symbols: int = 1_000


Runner = Callable[[], object]


def hourly(plan: Plan) -> Iterator[tuple[str, ...]]:
    """One hourly run at a few and at many coins: ours, dlt's, the floor's."""
    yield "coins", "program", "wall", "wall of ours to it"
    with serving(plan.coins, 1) as source:
        programs = {coins: programs_for(plan, f"hourly-{coins}", source, coins) for coins in (FEW, plan.coins)}
        rounds = [(f"{coins:,}", some) for coins, some in programs.items() for _ in range(plan.runs + 1)]
        yield from _compared(rounds, warm_up=1)


def backfill(plan: Plan) -> Iterator[tuple[str, ...]]:
    """A backfill on a fresh folder, then again with other prices, then unchanged: ours and dlt's."""
    coins, hours = plan.backfill
    yield f"{coins} coins, {hours} hours", "program", "wall", "wall of ours to it"
    with serving(coins, 1) as source, serving(coins, 1_699) as other:
        yield from _compared(
            (title, programs_for(plan, f"backfill-{number}", address, coins, hours))
            for number in range(max(1, plan.runs // 2))
            for title, address in (("first", source), ("other prices", other), ("unchanged", other))
        )


def table(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Insert and update of an hour of every symbol, and an update of a few keys, by the size of the table."""
    yield "rows", "insert 1 hour", "update 1 hour", f"update {FEW} keys"
    for hours in plan.table_hours:
        with engine(plan.folder / f"table-{hours}") as resources:
            repository: Any = resources.repository(find_job(JOB).repository)
            repository.ensure_ready()
            fill(resources, plan.table_symbols, hours)
            times: list[list[float]] = [[], [], []]
            for number in range(1, plan.runs + 1):
                new = _rows(plan.table_symbols, LAST_HOUR + timedelta(hours=number), number)
                changed = _rows(plan.table_symbols, LAST_HOUR, number)
                for place, batch in enumerate((new, changed, _rows(FEW, LAST_HOUR, number + 0.5))):
                    times[place].append(_timed(partial(repository.upsert_prices, batch)))
        yield f"{plan.table_symbols * hours:,}", *map(_seconds, times)


def server(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Round trips to a ClickHouse server of an hourly run: the first, then one that updates."""
    # It brings the embedded engine with it, which the other benchmarks have no use for.
    from tests.support.clickhouse_front import ClickHouseFront  # noqa: PLC0415

    yield "coins", "run", "round trips"
    folder = plan.folder / "server"
    with serving(plan.coins, 1) as source, engine(folder / "engine") as resources:
        resources.database.query("SELECT 1")
        with ClickHouseFront(folder / "engine") as front:
            for title in ("first", "again"):
                front.statements.clear()
                ours(folder, source, plan.coins, CLICKHOUSE_HOST="127.0.0.1", CLICKHOUSE_PORT=str(front.port))()
                yield f"{plan.coins:,}", title, str(len(front.statements))


BENCHMARKS = {"hourly": hourly, "backfill": backfill, "table": table, "server": server}


def programs_for(plan: Plan, name: str, source: str, coins: int, hours: int = 0) -> dict[str, Runner]:
    """Each program on the same source, in a folder of its own."""
    folder = plan.folder / name
    arguments = [source, StandIn.key, ",".join(str(coin.id) for coin in generated_coins(coins))]
    programs = {"ours": ours(folder / "ours", source, coins, hours)}
    if RIVALS.exists():
        home = folder / "dlt"
        home.mkdir(parents=True, exist_ok=True)
        command = [str(RIVALS), str(PROGRAMS), "dlt", str(home), *arguments, str(hours)]
        programs["dlt"] = process(command, HOME=str(home), DLT_DATA_DIR=str(home), DLT_PROJECT_DIR=str(home))
    if not hours:
        programs["floor"] = process([sys.executable, str(PROGRAMS), "floor", str(folder / "floor"), *arguments])
    return programs


def ours(folder: Path, source: str, coins: int, hours: int = 0, **environment: str) -> Runner:
    """A run of the job, or its backfill of hours, as cron starts it."""
    symbols = ",".join(f"{coin.symbol}:{coin.id}" for coin in generated_coins(coins))
    command = [sys.executable, "-m", "crons.run", JOB, *(["backfill", str(hours)] if hours else [])]
    return process(
        command,
        PYTHONPATH=str(PROJECT_ROOT / "src"),
        CLICKHOUSE_PATH=str(folder / "clickhouse"),
        DATA_PATH=str(folder),
        CMC_API_KEY=StandIn.key,
        CMC_BASE_URL=source,
        SYMBOLS=symbols,
        DATA_PROCESSOR_ENV_FILE="/dev/null",
        **environment,
    )


def process(command: Sequence[str], **environment: str) -> Runner:
    """What runs a command to its end, with nothing of the caller's environment: no key, no proxy, no telemetry."""
    bare = {"PATH": "/usr/bin:/bin", "NO_PROXY": "127.0.0.1", "RUNTIME__DLTHUB_TELEMETRY": "false"}

    def run() -> None:
        done = subprocess.run(command, env={**bare, **environment}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)[:200]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    return run


def engine(folder: Path) -> Resources:
    """The embedded engine in a folder; a process can have only one open at a time."""
    environment = {"CLICKHOUSE_PATH": str(folder), "DATA_PATH": str(folder.parent), "RUN_TIMEOUT_SECONDS": "3000"}
    settings = load_settings(Path("/dev/null"), environment)
    return Resources(settings, task="bench", clock=lambda: datetime.now(timezone.utc))


@contextmanager
def serving(coins: int, update_every_seconds: int) -> Iterator[str]:
    """The address of a simulated source in its own process, so that its work is not counted as the program's."""
    command = [sys.executable, str(PROGRAMS), "serve", str(coins), str(update_every_seconds)]
    environment = {"PYTHONPATH": str(PROJECT_ROOT / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as source:
        try:
            yield source.stdout.readline().strip() if source.stdout else ""
        finally:
            source.terminate()


def _timed(run: Runner) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _seconds(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.3f} s"


def _compared(rounds: Iterable[tuple[str, dict[str, Runner]]], *, warm_up: int = 0) -> Iterator[tuple[str, ...]]:
    """Run the programs of each round in turn; a row for each title and program, without its first `warm_up` runs."""
    walls: dict[tuple[str, str], list[float]] = {}
    for title, programs in rounds:
        for name, run in programs.items():
            walls.setdefault((title, name), []).append(_timed(run))
    for (title, name), times in walls.items():
        pairs = list(zip(walls[title, "ours"], times, strict=True))[warm_up:]
        ratio = statistics.median(ours / its for ours, its in pairs)
        yield title, name, _seconds(times[warm_up:]), f"{ratio:.2f}"


def _rows(symbols: int, hour: datetime, price: float) -> list[PriceRow]:
    at = tehran_text(hour)
    numbers = (price, price * 1e6, price * 2e7, price % 7, price % 11, price % 13)
    return [
        PriceRow(f"S{number:04d}", 1 + number, f"Coin {number}", *numbers, None, "USD", "latest", "bench", at, at)
        for number in range(symbols)
    ]


def fill(resources: Resources, symbols: int, hours: int) -> None:
    """Fill the table inside the database, month by month as the hours come in."""
    for start in range(0, hours, 720):
        count = min(720, hours - start)
        first = tehran_text(LAST_HOUR - timedelta(hours=hours - 1 - start))
        resources.database.command(
            "INSERT INTO crypto.crypto_prices (symbol, cmc_id, name, price, volume_24h, market_cap, currency, "
            "endpoint, run_id, source_updated_at, fetched_at, updated_at) SELECT coin, 1 + place, coin, amount, "
            "amount * 1e6, amount * 2e7, 'USD', 'historical', 'made', moment, moment, moment FROM ("
            f"SELECT intDiv(number, {count}) AS place, concat('S', leftPad(toString(place), 4, '0')) AS coin, "
            "1 + sipHash64(number) % 1000000 / 1000 AS amount, formatDateTime("
            f"toDateTime('{first}', 'UTC') + 3600 * (number % {count}), '%Y-%m-%d %H:%i:%S', 'UTC') AS moment "
            f"FROM numbers({symbols * count}))"
        )


def main() -> int:
    """Measure what was asked for and print a table of each."""
    parser = argparse.ArgumentParser(prog="./run.sh bench", description=__doc__, epilog=EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: shows that it works, measures nothing")
    parser.add_argument("--runs", type=int, default=7, help="repetitions")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - BENCHMARKS.keys()):
        parser.error(f"unknown benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    data = PROJECT_ROOT / "data"  # next to the data of real runs, so that their disk is measured
    data.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data, prefix="bench-") as folder:
        plan = Plan(Path(folder), asked.runs)
        if asked.tiny:
            plan = plan._replace(runs=1, coins=4, backfill=(2, 3), table_hours=(5, 8), table_symbols=4)
        for name in asked.names or BENCHMARKS:
            sys.stdout.write(f"\n{name}\n")
            columns, *found = BENCHMARKS[name](plan)
            show_table(columns, found)
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``./run.sh demo``: both jobs and their backfills against stand-ins, on a database of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from commands.report import write_page
from configurations.config import EMBEDDED, PROJECT_ROOT, Settings, load_settings
from crons import run
from crons.exits import leave
from crons.resources import Resources, system_clock
from sandbox.exchange_server import ExchangeStandIn
from sandbox.server import StandIn

JOB, SECOND = "cmc_hourly_prices", "binance_hourly_prices"
SYMBOLS = ("BTC", "ETH", "SOL")
HOURS = 48
SHOWN = 6
REPORT = PROJECT_ROOT / "reports" / "demo.html"
NEXT = {
    "./run.sh cron_run": "the real thing, once",
    "./run.sh status": "the last runs, missing hours and prices",
    "./run.sh setup_cron": "a crontab line, every hour on the hour",
}


def main() -> int:
    """Run the main job twice and the backfills, each as cron would, show what that left, return the exit code."""
    with tempfile.TemporaryDirectory(prefix="data-processor-demo-") as folder:
        # Prices that move faster than a process starts, so that the second run has something to update.
        source = StandIn(clock=system_clock, update_every_seconds=0.125)
        with source, ExchangeStandIn(source.market, clock=system_clock) as exchange:
            environment = _environment(Path(folder), source, exchange)
            first = after = ("", 0.0, 0)
            for title, arguments in (
                ("The main job: the present hour of each symbol", [JOB]),
                ("The same again: no second row for an hour, the price of the first is updated", [JOB]),
                (f"A backfill: the {HOURS} hours before", [JOB, "backfill", str(HOURS)]),
                ("The second source, Binance: the same hours, without a key", [SECOND, "backfill", str(HOURS)]),
            ):
                _say(f"\n=== {title}\n")
                if code := _step("run", *arguments, environment=environment):
                    _say(f"\nThe demo ended early, exit code {code}: the lines above say why.")
                    return code
                if arguments == [JOB]:
                    first, after = after, _present(Path(folder))
        _say("\n=== What is stored, prices in USD by Tehran hour\n")
        _show(Path(folder))
        _prove(first, after)
        if code := _step("report", environment=environment):
            return code
    _say("These prices are simulated, and the database is gone again. A report stays:")
    _say(f"  {REPORT}")
    _say("Try next:")
    for typed, what in NEXT.items():
        _say(f"  {typed:<26}{what}")
    return 0


def _step(*arguments: str, environment: dict[str, str]) -> int:
    """The exit code of a step of the demo, a process of its own in an environment of its own."""
    command = [sys.executable, "-m", "sandbox.demo", *arguments]
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own program


def _environment(folder: Path, source: StandIn, exchange: ExchangeStandIn) -> dict[str, str]:
    """An environment with every setting, so that none of the user's data, keys and settings are used."""
    own = {
        "CLICKHOUSE_HOST": "embedded",
        "CLICKHOUSE_PATH": str(folder / "clickhouse"),
        "CLICKHOUSE_PORT": "8123",
        "CLICKHOUSE_USER": "default",
        "CLICKHOUSE_PASSWORD": "",
        "CLICKHOUSE_DB": "crypto",
        "CLICKHOUSE_SECURE": "false",
        "CLICKHOUSE_CA_FILE": "",
        "CMC_API_KEY": source.key,
        "CMC_BASE_URL": source.base_url,
        "BINANCE_BASE_URL": exchange.base_url,
        "BINANCE_PAIRS": "",
        "SYMBOLS": ",".join(SYMBOLS),
        "HTTP_TIMEOUT_SECONDS": "30",
        "RUN_TIMEOUT_SECONDS": "600",
        "BACKFILL_TIMEOUT_SECONDS": "600",
        "STALE_AFTER_HOURS": "24",
        "RUN_HISTORY_DAYS": "365",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "console",
        "DATA_PATH": str(folder),
        "DATA_PROCESSOR_ENV_FILE": os.devnull,
        "HEALTHCHECK_URL": "",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    return {**os.environ, **own}  # noqa: TID251 - handed on to the job, not read


def _settings(folder: Path) -> Settings:
    return Settings(
        clickhouse_host=EMBEDDED,
        clickhouse_db="crypto",
        clickhouse_path=folder / "clickhouse",
        symbols=tuple((symbol, None) for symbol in SYMBOLS),
    )


def _present(folder: Path) -> tuple[str, float, int]:
    """The first symbol's last hour, its price, and how many rows the table has of that hour."""
    statement = (
        "SELECT datetime, argMax(price, version), count() FROM crypto.crypto_prices "  # noqa: S608 - a constant
        f"WHERE symbol = '{SYMBOLS[0]}' GROUP BY datetime ORDER BY datetime DESC LIMIT 1"
    )
    with Resources(_settings(folder), task="demo", clock=system_clock) as parts:
        ((hour, price, rows),) = parts.database.query(statement)
    return str(hour), float(str(price)), int(str(rows))


def _prove(first: tuple[str, float, int], after: tuple[str, float, int]) -> None:
    """What the second run made of the row of the first; nothing where the hour struck between the two."""
    (hour, before, _), (later, price, rows) = first, after
    if hour == later:
        still = "still 1 row" if rows == 1 else f"{rows} rows"
        _say(f"{SYMBOLS[0]} {hour[11:16]}  {before:,.2f} → {price:,.2f}, {still}")


def _show(folder: Path) -> None:
    """The latest of the stored hours, an hour a line, a symbol a column."""
    columns = ", ".join(f"anyIf(price, symbol = '{symbol}') AS {symbol}" for symbol in SYMBOLS)
    statement = (
        f"SELECT datetime, {columns}, count() FROM crypto.crypto_prices_hourly "  # noqa: S608 - constants
        "GROUP BY datetime ORDER BY datetime"
    )
    with Resources(_settings(folder), task="demo", clock=system_clock) as parts:
        lines = parts.database.query(statement)
    _say(f"{'hour (Tehran)':<20}" + "".join(f"{symbol:>16}" for symbol in SYMBOLS))
    for hour, *prices, _ in lines[-SHOWN:]:
        _say(f"{hour!s:<20}" + "".join(f"{float(str(price)):>16,.2f}" for price in prices))
    rows = sum(int(str(line[-1])) for line in lines)
    _say(f"{rows} rows: {len(lines)} hours of {len(SYMBOLS)} symbols, the last {SHOWN} of them above.")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the edge to the operator


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        # A step of the demo: a job without the user's `.env`, for `_environment` sets everything.
        leave(run.main(sys.argv[2:]))
    if sys.argv[1:2] == ["report"]:
        write_page(load_settings(), HOURS, system_clock(), REPORT)
        sys.exit()
    sys.exit(main())

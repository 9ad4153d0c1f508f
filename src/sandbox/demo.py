"""``./run.sh demo``: both jobs against simulated sources, with a database of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from adapters._bases.tehran_time import hour_key
from commands.report import write_page
from configurations.config import PROJECT_ROOT, Settings, load_settings
from crons.exits import FAILED
from crons.registry import JOBS
from crons.resources import Resources, system_clock
from sandbox.binance import ExchangeStandIn
from sandbox.coin_market_cap import StandIn
from sandbox.market import Market

JOB, SECOND = "cmc_hourly_prices", "binance_hourly_prices"
SYMBOLS = ("BTC", "ETH", "SOL")
HOURS = 48
SHOWN = 6
REPORT = PROJECT_ROOT / "reports" / "demo.html"
STEPS = {
    "The main job: the present hour of each symbol": [JOB],
    "The same again: no second row for an hour, the price is updated": [JOB],
    f"A backfill: the {HOURS} hours before": [JOB, "backfill", str(HOURS)],
    "The second source, Binance: the same hours, without a key": [SECOND, "backfill", str(HOURS)],
}
NEXT = """These prices are simulated, and the database is deleted. The report stays:
  {report}
Try next:
  ./run.sh cron_run         the real thing, once
  ./run.sh status           the last runs, missing hours and prices
  ./run.sh setup_cron       a crontab line, every hour on the hour"""
# No setting of the user's is among them.
_HANDED_ON = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TERM", "COLUMNS", "NO_COLOR", "TMPDIR", "TZ")


def main() -> int:
    """Run the main job twice and the backfills, each in its own process as under cron, and show the stored prices."""
    if find_spec("chdb") is None:
        _say("The demo needs the embedded engine, which is not installed. Run: ./run.sh install --embedded")
        return FAILED
    with tempfile.TemporaryDirectory(prefix="data-processor-demo-") as folder:
        # Prices change faster than a process starts, so that the second run has something to update.
        market = Market(update_every_seconds=0.125)
        with (
            StandIn(market, clock=system_clock) as source,
            ExchangeStandIn(market, clock=system_clock) as exchange,
        ):
            own = {
                "CLICKHOUSE_PATH": f"{folder}/clickhouse",
                "DATA_PATH": folder,
                "DATA_PROCESSOR_ENV_FILE": os.devnull,
                "CMC_API_KEY": source.key,
                "CMC_BASE_URL": source.base_url,
                "BINANCE_BASE_URL": exchange.base_url,
                "SYMBOLS": ",".join(SYMBOLS),
            }
            handed_on = {name: value for name, value in os.environ.items() if name in _HANDED_ON}  # noqa: TID251 - not read
            for title, arguments in STEPS.items():
                _say(f"\n=== {title}\n")
                command = [sys.executable, "-m", "crons.run", *arguments]
                if code := subprocess.run(command, env={**handed_on, **own}, check=False).returncode:  # noqa: S603 - our own program
                    _say(f"\nThe demo ended early, exit code {code}: the lines above say why.")
                    return code
        _show(load_settings(Path(os.devnull), own))
    _say(NEXT.format(report=REPORT))
    return 0


def _show(settings: Settings) -> None:
    now = system_clock()
    with Resources(settings, task="demo") as resources:
        table = resources.repository(JOBS[JOB].repository)
        prices = table.prices(first=hour_key(now - timedelta(hours=HOURS + 1)), last=hour_key(now))
    hours = sorted(set().union(*prices.values()))
    _say("\n=== What is stored, prices in USD by Tehran hour\n")
    _say(f"{'hour (Tehran)':<20}" + "".join(f"{symbol:>16}" for symbol in SYMBOLS))
    for hour in hours[-SHOWN:]:
        _say(f"{hour:<20}" + "".join(f"{prices[symbol][hour].price:>16,.2f}" for symbol in SYMBOLS))
    rows = sum(map(len, prices.values()))
    _say(f"{rows} rows: {len(hours)} hours of {len(SYMBOLS)} symbols, the last {SHOWN} of them above.")
    write_page(settings, HOURS, now, REPORT)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the edge to the operator

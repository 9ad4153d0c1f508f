"""The stand-in for CoinMarketCap in a process of its own, so that its work is not counted as the program's."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

from sandbox.market import FIRST_EXTRA_ID
from sandbox.coin_market_cap import StandIn

KEY = StandIn.key
_NO_LIMIT = 10**9


@contextmanager
def stand_in(*, coins: int, update_every_seconds: int = 1) -> Iterator[str]:
    """The address of a stand-in that lists `coins` generated coins and has no limits.

    Args:
        coins: how many, symbols from ``C0001``.
        update_every_seconds: how often prices change; two stand-ins that differ here serve different prices.
    """
    command = [sys.executable, "-m", "benchmarks.stand_in", str(coins), str(update_every_seconds)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - asked for above
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def coin_ids(count: int) -> list[int]:
    """The ids of the first generated coins."""
    return list(range(FIRST_EXTRA_ID, FIRST_EXTRA_ID + count))


def symbols(count: int) -> str:
    """The first generated coins as the setting SYMBOLS has them."""
    return ",".join(f"C{number:04d}:{cmc_id}" for number, cmc_id in enumerate(coin_ids(count), 1))


def main() -> int:
    """Print the address, then serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stand_in")
    parser.add_argument("coins", type=int)
    parser.add_argument("update_every_seconds", type=int)
    asked = parser.parse_args()
    # Blocked before the server's threads start, so that they inherit it and only `sigwait` sees the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with StandIn(
        clock=lambda: datetime.now(timezone.utc),
        update_every_seconds=asked.update_every_seconds,
        extra_coins=asked.coins,
    ) as serving:
        serving.requests_per_minute = serving.credits_monthly = _NO_LIMIT
        sys.stdout.write(f"{serving.base_url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.exit(main())

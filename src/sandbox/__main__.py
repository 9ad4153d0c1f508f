"""``python -m sandbox [--port N]``: serves the simulated sources on the real clock until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import datetime, timezone

from sandbox.endpoints import KEYLESS_PREFIX
from sandbox.exchange_server import ExchangeStandIn
from sandbox.server import StandIn


def main() -> int:
    """Print the address and the key, then serve until SIGINT or SIGTERM, and return the exit code 0."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="A local CoinMarketCap, and a local Binance, with made-up prices."
    )
    parser.add_argument("--port", type=int, default=0, help="of the CoinMarketCap; a free one unless given")
    asked = parser.parse_args()
    # Blocked before the server's threads start, so that they inherit it and only `sigwait` sees the signal.
    stop_signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    stand_in = StandIn(clock=_clock, port=asked.port)
    with stand_in, ExchangeStandIn(stand_in.market, clock=_clock) as exchange:
        sys.stdout.write(
            f"CMC_BASE_URL={stand_in.base_url}\nCMC_API_KEY={stand_in.key}\nBINANCE_BASE_URL={exchange.base_url}\n"
            f"Prices are simulated. Without a key: {stand_in.base_url}{KEYLESS_PREFIX}. Ctrl-C stops it.\n"
        )
        sys.stdout.flush()
        signal.sigwait(stop_signals)
    return 0


def _clock() -> datetime:
    return datetime.now(timezone.utc)


if __name__ == "__main__":
    sys.exit(main())

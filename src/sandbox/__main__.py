"""``python -m sandbox [--port N]``: serves the simulated source on the real clock until it is stopped."""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import datetime, timezone

from sandbox.endpoints import KEYLESS_PREFIX
from sandbox.server import StandIn


def main() -> int:
    """Print the address and the key, then serve until SIGINT or SIGTERM, and return the exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local CoinMarketCap with made-up prices.")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; a free one unless given")
    asked = parser.parse_args()
    # Blocked before the server's threads start, so that they inherit it and only `sigwait` sees the signal.
    stop_signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    with StandIn(clock=lambda: datetime.now(timezone.utc), port=asked.port) as stand_in:
        sys.stdout.write(
            f"CMC_BASE_URL={stand_in.base_url}\nCMC_API_KEY={stand_in.key}\n"
            f"Prices are simulated. Without a key: {stand_in.base_url}{KEYLESS_PREFIX}. Ctrl-C stops it.\n"
        )
        sys.stdout.flush()
        signal.sigwait(stop_signals)
    return 0


if __name__ == "__main__":
    sys.exit(main())

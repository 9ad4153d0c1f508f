"""``python run_at.py INSTANT NAME …``: `crons.run`, for which the time stands still at INSTANT, and short waits.

A script of its own, started with the program's ``src`` on PYTHONPATH; it ends its process as `crons.run` does.
"""

from __future__ import annotations

import sys
from datetime import datetime

from adapters._bases import retry
from crons.exits import leave
from crons.run import main

if __name__ == "__main__":
    # Before another try, unless the other side asks for more: how the program's own waits grow is a rule by itself.
    retry.wait_after = lambda tries: 0.2  # noqa: ARG005 - its name counts
    instant = datetime.fromisoformat(sys.argv[1])
    leave(main(sys.argv[2:], clock=lambda: instant))

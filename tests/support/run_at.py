"""``python run_at.py INSTANT NAME …``: `crons.run`, and for it the time stands still at INSTANT.

A script of its own, started with the program's ``src`` on PYTHONPATH; it ends its process as `crons.run` does.
"""

from __future__ import annotations

import sys
from datetime import datetime

from crons.exits import leave
from crons.run import main

if __name__ == "__main__":
    instant = datetime.fromisoformat(sys.argv[1])
    leave(main(sys.argv[2:], clock=lambda: instant))

"""``python main_at.py INSTANT COMMAND …``: `main`, and for it the system's clock begins at INSTANT.

A script of its own, started with the program's ``src`` on PYTHONPATH.
"""

from __future__ import annotations

import sys
from datetime import datetime

import time_machine

from main import app

if __name__ == "__main__":
    # As a number: a datetime would bring its time zone along, and the host's is part of what is tested.
    with time_machine.travel(datetime.fromisoformat(sys.argv[1]).timestamp()):
        app(sys.argv[2:], prog_name="run.sh")

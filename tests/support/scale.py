"""How often a test repeats what it shows by statistics: random kills, hypothesis's examples."""

from __future__ import annotations

import os

LARGE = bool(os.environ.get("LARGE_TESTS"))
"""Set in CI; `./run.sh test` shows each rule on a few examples."""

"""How long a test waits for what must come: only a hang lasts so long, however busy the machine is."""

from __future__ import annotations

PATIENCE_SECONDS = 600

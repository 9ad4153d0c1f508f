"""The program's version, for what it writes down; pyproject.toml says the same, and a test holds the two together."""

from __future__ import annotations

VERSION = "0.1.0"

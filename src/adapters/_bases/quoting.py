"""Names and texts as they stand in a statement."""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapters._bases.errors import ConfigurationError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted_identifier(name: str) -> str:
    """The name of a database, table or column between backticks.

    Raises:
        ConfigurationError: it has other characters than letters, digits and underscores, or begins with a digit.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot name a ClickHouse database, table or column",
            next_step="Use letters, digits and underscores, and begin with a letter.",
        )
    return f"`{name}`"


def quoted_text(text: str) -> str:
    """A String literal. Every character survives, NUL and line ends too."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def quoted_texts(texts: Iterable[str]) -> str:
    """String literals for the inside of an IN list."""
    return ", ".join(quoted_text(text) for text in texts)

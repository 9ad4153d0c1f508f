"""Values and names as they are written into SQL. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from adapters._bases.errors import ConfigurationError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted_identifier(name: str) -> str:
    """The name of a database, table or column between backticks.

    Raises:
        ConfigurationError: it is not letters, digits and underscores, beginning with no digit.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name for a ClickHouse database, table or column",
            next_step="Use letters, digits and underscores, and begin with a letter.",
        )
    return f"`{name}`"


def quoted_text(text: str) -> str:
    """A String literal; every character survives, NUL and line ends too."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def quoted_texts(texts: Iterable[str]) -> str:
    """String literals for the inside of an IN list."""
    return ", ".join(quoted_text(text) for text in texts)


def json_array(values: Iterable[object], element_type: str) -> str:
    """An Array of `element_type`, written as one JSON text and parsed by the server once.

    A literal array is many times slower to parse and to plan once it holds thousands of elements. Doubles keep every
    digit: JSON carries the shortest text that reads back as the same double.

    Raises:
        ValueError: a NaN or an infinity, which JSON cannot carry.
    """
    text = json.dumps(list(values), separators=(",", ":"), allow_nan=False)
    return f"JSONExtract({quoted_text(text)}, {quoted_text(f'Array({element_type})')})"

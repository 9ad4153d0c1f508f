"""The text of ``.env``: lines that say nothing, and names that are nearly right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from adapters._bases.errors import ConfigurationError

_ALIKE = 0.8


def refuse_unreadable_lines(path: Path) -> None:
    """See that every line of the file says something; an absent file is fine.

    Raises:
        ConfigurationError: a line is neither ``NAME=value`` nor a comment; the message has its number, not its text.
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    wrong = [str(binding.original.line) for binding in _bindings(path) if binding.error]
    if wrong:
        raise ConfigurationError(
            f"{path}: line {', '.join(wrong)} is neither NAME=value nor a comment",
            next_step="mend it; env.example shows the form",
        )


def nearly_right(path: Path, known: Iterable[str]) -> dict[str, str]:
    """Names in the file that no setting has, with the setting that was probably meant; others are not ours to judge.

    Args:
        path: of the file, which may be absent.
        known: the names of the settings, in upper case.
    """
    names = set(known)
    found = {binding.key.upper() for binding in _bindings(path) if binding.key} - names
    return {name: close[0] for name in sorted(found) if (close := get_close_matches(name, names, 1, _ALIKE))}


def _bindings(path: Path) -> list[Binding]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig") as stream:
        return list(parse_stream(stream))

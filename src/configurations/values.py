"""How a setting's text becomes a value, and what is said when it cannot. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SymbolEntry = tuple[str, int | None]
"""A symbol, and the id given with it; None without one."""

HIGHEST_ID = 2**32 - 1
"""What the table's column holds."""
_HOST = re.compile(r"[A-Za-z0-9._:\-]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SYMBOL_ENTRY = re.compile(r"([0-9A-Za-z$@\-]{1,30})(?:\s*:\s*([1-9][0-9]{0,9}))?")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# Words for pydantic's kinds of errors, which speak to programmers.
_WORDS = {
    "bool_parsing": "true or false is needed",
    "bool_type": "true or false is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_parsing": "a number is needed",
}


def words_for(kind: str, message: str) -> str:
    """What pydantic found wrong, in words for the operator.

    Args:
        kind: pydantic's ``type`` of the error.
        message: its ``msg``.
    """
    return _WORDS.get(kind, message.removeprefix("Value error, ").replace("Input should be", "it should be"))


def symbol_entries(value: object) -> object:
    """``BTC,ETH:1027`` as (symbol, id or None) pairs."""
    if not isinstance(value, str):
        return value
    entries: list[SymbolEntry] = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        match = _SYMBOL_ENTRY.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is neither a symbol such as BTC nor a symbol with an id such as BTC:1")
        if match[2] and int(match[2]) > HIGHEST_ID:
            raise ValueError(f"{part!r}: there is no id above {HIGHEST_ID}")
        entries.append((match[1].upper(), int(match[2]) if match[2] else None))
    if not entries:
        raise ValueError("at least one symbol is needed, such as BTC,ETH,SOL")
    repeated = sorted({symbol for symbol, _ in entries if [name for name, _ in entries].count(symbol) > 1})
    if repeated:
        raise ValueError(f"named more than once: {', '.join(repeated)}")
    return tuple(entries)


def empty_as_none(value: object) -> object:
    """An empty text means that there is none."""
    return None if value == "" else value


def not_empty(value: object) -> object:
    """An empty path would mean the checkout itself."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("a path is needed")
    return value


def safe_address(value: str) -> str:
    """Over https, or to this machine: else what travels could be read or changed on the way."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("an address such as https://api.example.com is needed")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("https is needed: over http what is sent, a key too, could be read on the way")
    return value.rstrip("/")


def host_name(value: str) -> str:
    """A server's name or address; ``embedded`` in any case is the engine inside this process."""
    if value.lower() == "embedded":
        return "embedded"
    if not _HOST.fullmatch(value):
        raise ValueError("a host name or address alone is needed, without http:// and without a port; or: embedded")
    return value


def identifier(value: str) -> str:
    """A name that can stand in SQL."""
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError("letters, digits and underscores only, not starting with a digit, at most 64 of them")
    return value

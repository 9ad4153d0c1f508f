"""What stands in the host's environment and a library cannot take: given another value while that library reads it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import AddressValueError, IPv6Address

_HOST = re.compile(r"(?:[a-z]+://)?[A-Za-z0-9._*-]+(?::\d{1,5}|/\d{1,2})?")
_NETWORK = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](:\d{1,5})?")


@contextmanager
def engine_zone() -> Iterator[None]:
    """The block in which the embedded engine starts: it takes IANA names in TZ only, and ends without one.

    Every statement names its zone, so which one the engine takes for its own does not matter. What TZ means for the
    rest of the process, which reckons schedules by it, stays.
    """
    try:
        with _set({"TZ": "UTC"}):
            yield
    finally:
        time.tzset()  # the engine may have had the C library read it meanwhile


@contextmanager
def proxy_exceptions() -> Iterator[None]:
    """The block in which httpx reads NO_PROXY: one IPv6 range or pair of brackets would stop it.

    An entry that it cannot take is left out: a range of IPv6 addresses says nothing of a host that has a name.
    """
    names = [name for name in ("NO_PROXY", "no_proxy") if name in os.environ]  # noqa: TID251 - not a setting of ours
    with _set({name: usable_exceptions(os.environ[name]) for name in names}):  # noqa: TID251 - likewise
        yield


def network_variables() -> list[str]:
    """The variables set in this environment that say by which way, and trusting whom, HTTP calls are made."""
    return sorted(name for name in os.environ if name.upper() in _NETWORK)  # noqa: TID251 - not settings of ours


def usable_exceptions(no_proxy: str) -> str:
    """The entries of a NO_PROXY that httpx can take, in the form in which it does."""
    entries = (_usable(entry.strip()) for entry in no_proxy.split(","))
    return ",".join(entry for entry in entries if entry)


def _usable(entry: str) -> str:
    if bracketed := _BRACKETED.fullmatch(entry):
        address, port = bracketed.groups()
        return f"all://[{address}]{port}" if port else address
    if _HOST.fullmatch(entry):
        return entry
    try:
        return str(IPv6Address(entry))
    except AddressValueError:
        return ""


@contextmanager
def _set(values: dict[str, str]) -> Iterator[None]:
    environment = os.environ  # noqa: TID251 - the libraries' settings, not ours
    before = {name: environment.get(name) for name in values}
    environment.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del environment[name]
            else:
                environment[name] = value

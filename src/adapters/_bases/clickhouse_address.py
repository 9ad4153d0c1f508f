"""Where ClickHouse is: a server over HTTP, or the engine inside this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class EmbeddedEngine:
    """The engine inside this process; to people ``embedded engine at data/clickhouse``.

    Attributes:
        path: the folder of its data, made when missing; one process at a time can have it open.
    """

    path: Path

    def __str__(self) -> str:
        return f"embedded engine at {self.path}"


@dataclass(frozen=True)
class Server:
    """A server; to people ``https://host:8443``.

    Attributes:
        host: its name or address.
        port: its HTTP(S) port.
        user: who signs in.
        password: in no message, and in no text of this object.
        secure: speak HTTPS; the server's certificate is always verified.
        ca_file: certificates of the authority to trust, PEM; None trusts those of the system.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    secure: bool = False
    ca_file: Path | None = None

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.secure else "http"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

"""What the host's environment holds that a library cannot take: neither the engine nor an HTTP call fails of it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from adapters._bases.http_adapter import HttpAdapter, proxy_exceptions
from adapters._bases.retry import RetryPolicy

SOURCE = Path(__file__).parents[3] / "src"
OPENS_THE_ENGINE = """
import os, sys
from datetime import datetime, timezone
from pathlib import Path
from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.embedded_engine import EmbeddedEngine
noon = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
before = noon.astimezone()
with ClickHouseAdapter(
    address=EmbeddedEngine(Path(sys.argv[1])), connect_timeout_seconds=5, query_timeout_seconds=5
) as engine:
    print(engine.query("SELECT 1"), noon.astimezone().isoformat() == before.isoformat(), repr(os.environ.get("TZ")))
"""


@pytest.mark.parametrize(
    "zone",
    [
        "<+0330>-3:30",
        "IRST-3:30",
        "Asia/tehran",
        ":/etc/localtime",
        "",
        "EST5EDT,M3.2.0,M11.1.0",
        "nonsense",
        "/usr/share/zoneinfo/Asia/Tehran",
        "Asia/Kathmandu",
        None,
    ],
)
def test_the_engine_starts_whatever_the_hosts_zone_is_called(tmp_path: Path, zone: str | None) -> None:
    """And the zone means the same before and after it, for the schedules are reckoned by it."""
    environment = {"PYTHONPATH": str(SOURCE)} | ({} if zone is None else {"TZ": zone})
    done = subprocess.run(
        [sys.executable, "-c", OPENS_THE_ENGINE, str(tmp_path / "engine")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"[(1,)] True {zone!r}\n", done.stderr[-2000:]


@pytest.mark.parametrize(
    ("exceptions", "direct"),
    [
        ("localhost,fd00::/8", True),
        ("fe80::/10, [::1] ,localhost", True),
        ("[::1]:8080,localhost", True),
        ("2001:db8::/32", False),
        ("host:port,é.example,[", False),
        ("*", True),
        ("", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
async def test_no_exception_to_a_proxy_stops_a_call(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, name: str, exceptions: str, *, direct: bool
) -> None:
    """What httpx cannot take is left out; the others still mean what they say."""
    for one in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(one, raising=False)
    # The proxy is the server itself: a call by way of it names the whole address.
    monkeypatch.setenv("http_proxy", httpserver.url_for(""))
    monkeypatch.setenv(name, exceptions)
    httpserver.expect_request("/price").respond_with_json(1)
    adapter = HttpAdapter(
        base_url=httpserver.url_for("").rstrip("/"),
        headers={},
        timeout_seconds=5,
        retry=RetryPolicy(attempts=1),
        clock=lambda: datetime(2026, 11, 23, 12, tzinfo=timezone.utc),
    )
    async with adapter:
        assert await adapter.get_json("/price", {}) == 1
    [(request, _)] = httpserver.log
    assert request.environ["REQUEST_URI"].startswith("/") == direct
    assert os.environ[name] == exceptions


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (
            "localhost, 127.0.0.1 ,.example.com,*.corp,10.0.0.0/8,a_b:80",
            "localhost,127.0.0.1,.example.com,*.corp,10.0.0.0/8,a_b:80",
        ),
        ("[::1],::1,[fd00::7]:443", "::1,::1,all://[fd00::7]:443"),
        ("fd00::/8,fe80::1%eth0,http://x:8,", "fe80::1%eth0,http://x:8"),
    ],
)
def test_only_what_cannot_be_taken_is_left_out(monkeypatch: pytest.MonkeyPatch, given: str, taken: str) -> None:
    """Names, patterns, IPv4 ranges and single addresses stay, in the form that httpx knows."""
    monkeypatch.setenv("NO_PROXY", given)
    with proxy_exceptions():
        assert os.environ["NO_PROXY"] == taken
    assert os.environ["NO_PROXY"] == given

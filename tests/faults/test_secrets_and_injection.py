"""Certificates are verified, odd names are refused or quoted, and no secret comes out."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, Installation
from tests.support.price_audit import PriceAudit
from tests.support.stepped_clock import SteppedClock

TLS = Path(__file__).parents[1] / "support" / "tls"
TELLTALE = Path(__file__).parents[1] / "support" / "telltale_library.py"


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_server_of_a_trusted_authority_is_asked(
    *, trusted: bool, program: Installation, front: ClickHouseFront, engine_path: Path, table: PriceAudit
) -> None:
    """CLICKHOUSE_SECURE with CLICKHOUSE_CA_FILE: a whole run over HTTPS."""
    authority = {"CLICKHOUSE_CA_FILE": str(TLS / "loopback_authority.pem")} if trusted else {}
    with ClickHouseFront(engine_path, front.user, front.password, certificate=TLS / "loopback.pem") as secure:
        run = program.run_job(CLICKHOUSE_SECURE="true", CLICKHOUSE_PORT=str(secure.port), **authority)
    assert (run.code, secure.statements != [], len(program.spooled)) == (int(not trusted), trusted, int(not trusted))
    if trusted:
        table.assert_right(3)
    else:
        assert "CLICKHOUSE_CA_FILE" in run.log


def test_secure_setting_sends_nothing_in_clear(program: Installation, front: ClickHouseFront) -> None:
    """And is not retried, for only an operator can correct it."""
    run = program.run_job(CLICKHOUSE_SECURE="true")
    assert run.code == 1
    assert "does not speak TLS" in run.errors[0]
    assert ("CLICKHOUSE_SECURE=false" in run.log, "retry scheduled" in run.log) == (True, False)
    assert (front.statements, len(program.spooled)) == ([], 1)


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_source_of_a_trusted_authority_is_asked(*, trusted: bool, program: Installation) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "loopback.pem")
    authority = {"SSL_CERT_FILE": str(TLS / "loopback_authority.pem")} if trusted else {}
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        run = program.run_job(CMC_BASE_URL=server.url_for(""), RUN_TIMEOUT_SECONDS="4", **authority)
        assert (run.code, server.log != []) == (1, trusted)
    if not trusted:
        [error] = run.errors
        assert "its TLS certificate is not trusted, so nothing was sent" in error
        assert "tried again" not in run.log


@pytest.mark.parametrize("statement", ["", "INSERT"], ids=["at the first statement", "at the INSERT"])
@pytest.mark.parametrize("status", [301, 307])
def test_database_redirect_is_not_followed(
    status: int, statement: str, program: Installation, front: ClickHouseFront, httpserver: HTTPServer
) -> None:
    front.fail("redirect", statement, times=99, code=status, text=httpserver.url_for("/"))
    run = program.run_job()
    assert (run.code, httpserver.log, len(program.spooled)) == (1, [], 1)
    [error] = run.errors
    assert "answered with a redirect, which is not followed" in error
    assert "CLICKHOUSE_HOST" in error
    assert "tried again" not in run.log


def test_echoed_secrets_are_masked(program: Installation, source: FaultySource, front: ClickHouseFront) -> None:
    message = f"the key {source.key} is odd"
    status = {"error_code": 1001, "error_message": message, "credit_count": 0}
    source.faults.push(faults.json_body({"status": status}, status=401), path="/quotes/latest")
    refused = program.run_job()
    assert (refused.code, "the key *** is odd" in refused.log) == (1, True)
    front.fail("error", times=999, code=516, text=f"the password {front.password} is odd")
    run = program.run_job()
    assert (run.code, "the password *** is odd" in run.log) == (1, True)
    for command in ("setup_db", "check", "status"):
        told = program.command(command)
        assert (command, told.code, "the password *** is odd" in told.out + told.log) == (command, 1, True)
    assert program.leaks() == []


@pytest.mark.parametrize(
    "words",
    [
        # Every command ends in the same place, so a few stand for all.
        *(f"~ main {command}" for command in ("check", "setup_cron", "cron_run")),
        f"~ crons.run {JOB} heal",
        f"/ crons.run {JOB}",
    ],
)
def test_unexpected_error_leaks_no_secret(words: str, tmp_path: Path, clock: SteppedClock) -> None:
    """Before the secrets are known as such: each command ends in exit 1 and names the error, not what it quotes."""
    (tmp_path / "crontab").touch(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    settings = {"PATH": path, "CMC_API_KEY": "key-of-environment", "DATA_PATH": "~/data"}
    program = Installation.make(tmp_path / "odd", clock=clock, settings=settings)
    (program.root / ".env").write_text("CLICKHOUSE_PASSWORD='password of file'\nCMC_API_KEY=key-of-file\n")
    done = program.start(str(TELLTALE), *words.split()).ended()
    told = done.out + done.log
    assert done.code == 1, told
    assert "unexpected error" in done.log
    assert "LookupError" in done.log
    secrets = ("key-of-environment", "password of file", "key-of-file")
    assert [secret for secret in secrets if secret in told] == [], told


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLICKHOUSE_DB", "crypto`; DROP DATABASE crypto"),
        ("SYMBOLS", "BTC'; DROP TABLE crypto_prices --"),
        ("CMC_API_KEY", "key\nX-Other: header"),
    ],
)
def test_hostile_setting_is_rejected(
    variable: str, value: str, program: Installation, source: FaultySource, front: ClickHouseFront
) -> None:
    """Exit 2, the variable named on one line; the source is not asked, and the database at most told of the failure."""
    run = program.run_job(**{variable: value})
    assert run.code == 2
    assert variable in run.log
    assert "Traceback" not in run.log
    assert source.requests == []
    assert all("etl_runs" in statement for statement in front.asked("INSERT INTO"))
    assert variable != "CLICKHOUSE_DB" or front.statements == []


@pytest.mark.parametrize("name", ["../cmc_hourly_prices", "x\n$(touch owned); touch owned"])
@pytest.mark.parametrize("module", ["crons.run", "main setup_cron"])
def test_hostile_job_name_is_rejected(name: str, module: str, program: Installation) -> None:
    done = program.start("-m", *module.split(), name).ended()
    assert done.code == 2
    assert JOB in done.log
    assert not list(program.root.rglob("owned"))

"""Settings: where they come from, what is refused, and that no secret is shown."""

from __future__ import annotations

import os
import re
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from adapters._bases.errors import ConfigurationError
from commands.check import setting_names
from configurations.config import PROJECT_ROOT, Settings, load_log_format, load_settings, nearly_right, only_set_here


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)


def load(tmp_path: Path, text: str = "") -> Settings:
    """The settings of a .env with this text."""
    (tmp_path / ".env").write_text(text)
    return load_settings(tmp_path / ".env")


def test_defaults_need_no_file(tmp_path: Path) -> None:
    """Without .env and environment: three symbols, keyless, the embedded engine inside the checkout."""
    settings = load_settings(tmp_path / "absent")
    assert settings.embedded
    assert settings.symbols == (("BTC", None), ("ETH", None), ("SOL", None))
    assert settings.clickhouse_path == PROJECT_ROOT / "data" / "clickhouse"
    assert settings.cmc_api_key is None


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real variable, an empty one included, beats .env."""
    monkeypatch.setenv("CLICKHOUSE_DB", "of_environment")
    monkeypatch.setenv("CMC_API_KEY", "")
    (tmp_path / ".env").write_text("CLICKHOUSE_DB=of_file\nCMC_API_KEY=of-file\nSYMBOLS=ada\n")
    settings = load_settings(tmp_path / ".env")
    assert settings.clickhouse_db == "of_environment"
    assert settings.cmc_api_key is None
    assert settings.symbols == (("ADA", None),)


def test_symbols_may_carry_ids(tmp_path: Path) -> None:
    """BTC:1 pins a coin; blanks and a trailing comma do not matter."""
    (tmp_path / ".env").write_text("SYMBOLS= btc:1 , ETH,\n")
    assert load_settings(tmp_path / ".env").symbols == (("BTC", 1), ("ETH", None))


@pytest.mark.parametrize(
    "line",
    [
        "SYMBOLS=",
        "SYMBOLS=,",
        "SYMBOLS=BTC,BTC:1",
        "SYMBOLS=BTC'; DROP TABLE x",
        "SYMBOLS=BTC:0",
        "SYMBOLS=BTC:x",
        "CLICKHOUSE_DB=crypto; DROP DATABASE x",
        "CLICKHOUSE_DB=1st",
        "CLICKHOUSE_DB=`x`",
        "CLICKHOUSE_DB=../x",
        "CLICKHOUSE_HOST=' '",
        "CLICKHOUSE_HOST=http://db/x",
        "CLICKHOUSE_PORT=0",
        "CLICKHOUSE_PORT=eight",
        "CLICKHOUSE_SECURE=perhaps",
        "CLICKHOUSE_CA_FILE=/nowhere/ca.pem",
        "CMC_API_KEY='two words'",
        "CMC_BASE_URL=http://pro-api.coinmarketcap.com",
        "CMC_BASE_URL=ftp://example.org",
        "CMC_BASE_URL=https://user@example.org",
        "CMC_BASE_URL=https://:password@example.org",
        "CMC_BASE_URL=https://@example.org",
        "CLICKHOUSE_HOST=user:password@db",
        "HTTP_TIMEOUT_SECONDS=0",
        "HTTP_TIMEOUT_SECONDS=inf",
        "BACKFILL_TIMEOUT_SECONDS=1e12",
        "STALE_AFTER_HOURS=inf",
        "STALE_AFTER_HOURS=1e12",
        "STALE_AFTER_HOURS=nan",
        "CLICKHOUSE_PATH=' '",
        "CLICKHOUSE_PATH=data/a?b=c",
        "CLICKHOUSE_PATH=~nobody-of-that-name/clickhouse",
        "DATA_PATH=' '",
        "RUN_TIMEOUT_SECONDS=3600",
        "RUN_TIMEOUT_SECONDS=nan",
        "BACKFILL_TIMEOUT_SECONDS=-1",
        "STALE_AFTER_HOURS=0",
        "LOG_LEVEL=LOUD",
        "LOG_FORMAT=xml",
    ],
)
def test_a_wrong_value_is_named_in_one_line(tmp_path: Path, line: str) -> None:
    """The message is a single line that starts with the variable, and the next step names the file."""
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, line)
    assert refused.value.message.startswith(f"{line.partition('=')[0]}: ")
    assert "\n" not in refused.value.message
    assert ".env" in refused.value.next_step


def test_each_wrong_variable_has_a_line(tmp_path: Path) -> None:
    """Three mistakes, three lines."""
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "SYMBOLS=\nLOG_LEVEL=LOUD\nCLICKHOUSE_CA_FILE=/nowhere/ca.pem")
    named = sorted(line.partition(":")[0] for line in refused.value.message.splitlines())
    assert named == ["CLICKHOUSE_CA_FILE", "LOG_LEVEL", "SYMBOLS"]


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither the settings' text nor an error about a secret holds its value."""
    settings = load(tmp_path, "CMC_API_KEY=k-3c1\nCLICKHOUSE_PASSWORD=p-3c1\nHEALTHCHECK_URL=https://h/3c1")
    assert "3c1" not in repr(settings) + str(settings)
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "CMC_API_KEY='k 3c1'")
    assert "3c1" not in str(refused.value) + repr(refused.value.__cause__)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("CLICKHOUSE_HOST=db.example:8123", "write CLICKHOUSE_HOST=db.example and CLICKHOUSE_PORT=8123"),
        ("CLICKHOUSE_HOST=127.0.0.1:8123", "write CLICKHOUSE_HOST=127.0.0.1 and CLICKHOUSE_PORT=8123"),
        ("CLICKHOUSE_HOST=[fd00::7]:8443", r"write CLICKHOUSE_HOST=\[fd00::7\] and CLICKHOUSE_PORT=8443"),
        ("CLICKHOUSE_PORT=tcp://10.96.0.10:8123", "Kubernetes, or a Docker link, sets for a service called clickhouse"),
        ("CLICKHOUSE_PORT=tcp://[fd00::a]:9000", "rename that service"),
        ("SYMBOLS=USDC.e", "needs its id"),
        ("SYMBOLS=币安人生,BTC", "needs its id"),
        ("CLICKHOUSE_HOST=http://db:8123", "without http:// and without a port"),
        ("CLICKHOUSE_SECURE=perhaps", "true or false is needed"),
        ("CLICKHOUSE_PORT=eight", "a whole number is needed"),
        ("HTTP_TIMEOUT_SECONDS=soon", "a number is needed"),
        ("HTTP_TIMEOUT_SECONDS=0", "it should be greater than 0"),
        ("SYMBOLS=BTC:9999999999", "there is no id above"),
    ],
)
def test_what_is_wrong_is_said_in_the_operators_words(tmp_path: Path, line: str, words: str) -> None:
    """What is needed, not what a library calls it."""
    with pytest.raises(ConfigurationError, match=words):
        load(tmp_path, line)


@pytest.mark.parametrize("address", ["::1", "[::1]", "fd00:0::7", "[2001:db8::a:0:1]", "::ffff:10.0.0.1"])
def test_an_ipv6_address_is_a_host(tmp_path: Path, address: str) -> None:
    """Bare or in brackets it comes out in brackets, as an address with a port needs it."""
    host = load(tmp_path, f"CLICKHOUSE_HOST={address}").clickhouse_host
    assert host.startswith("[")
    assert IPv6Address(host[1:-1]) == IPv6Address(address.strip("[]"))


@pytest.mark.parametrize(
    ("entry", "symbol"),
    [
        ("USDC.e:1", "USDC.E"),
        ("a_b : 2", "A_B"),
        ("UNI+:3", "UNI+"),
        ("币安人生:4", "币安人生"),
        ("हिन्दी:5", "हिन्दी"),
        ("1inch:6", "1INCH"),
        ("ё/x&y:7", "Ё/X&Y"),
    ],
)
def test_any_ticker_may_come_with_an_id(tmp_path: Path, entry: str, symbol: str) -> None:
    """With an id the symbol is only a name: dots, signs and the letters of every script stand in it."""
    assert [one for one, _ in load(tmp_path, f"SYMBOLS=BTC,{entry}").symbols] == ["BTC", symbol]


@pytest.mark.parametrize("name", sorted({field.upper() for field in Settings.model_fields} - {"SYMBOLS"}))
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_an_empty_variable_stands_for_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, where: str
) -> None:
    """As compose sets it from ``${NAME:-}``; an empty SYMBOLS alone is refused."""
    if where == "environment":
        monkeypatch.setenv(name, "")
    assert load(tmp_path, f"{name}=\n" if where == ".env" else "") == load_settings(tmp_path / "absent")


@pytest.mark.parametrize("value", ["p${HOME}w", "${NOT_THERE}", "$HOME", "a$$b", "${", "${A:-b}"])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_value_of_the_file_is_not_expanded(tmp_path: Path, value: str, quote: str) -> None:
    """A password with a dollar and a brace survives, quoted or not."""
    settings = load(tmp_path, f"A=x\nCLICKHOUSE_PASSWORD={quote}{value}{quote}")
    assert settings.clickhouse_password.get_secret_value() == value


@pytest.mark.parametrize("value", ['"BTC,ETH"', "'BTC'", '""', '"k-3c1"'])
@pytest.mark.parametrize("name", ["SYMBOLS", "CMC_API_KEY", "CLICKHOUSE_PASSWORD", "LOG_LEVEL"])
def test_quotes_that_an_env_file_kept_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Docker's --env-file takes them for part of the value; what else is wrong is named too, no secret is shown."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}: its value is in quotes") as refused:
        load(tmp_path, "CLICKHOUSE_PORT=0")
    assert "CLICKHOUSE_PORT: " in refused.value.message
    assert "3c1" not in str(refused.value)


def test_what_is_wrong_is_to_be_corrected_where_it_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of .env, or the variable of the environment, which wins over a line that is right."""
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "# mine\n\nLOG_LEVEL=LOUD\nCLICKHOUSE_DB=crypto\n\nCLICKHOUSE_PORT=0\n")
    assert refused.value.next_step == f"correct line 3, 6 of {tmp_path / '.env'} (see env.example)"
    monkeypatch.setenv("LOG_LEVEL", "SHOUTED")
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "LOG_LEVEL=INFO\n")
    assert refused.value.next_step == "correct or unset LOG_LEVEL in the environment (see env.example)"
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "CLICKHOUSE_PORT=0\n")
    assert f"line 1 of {tmp_path / '.env'}; correct or unset LOG_LEVEL in" in refused.value.next_step


def test_what_cron_will_not_see_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that only this environment gives its value; not one that .env, or the default, gives it as well."""
    (tmp_path / ".env").write_text("SYMBOLS=BTC\nCLICKHOUSE_DB=of_file\n")
    for name, value in {"SYMBOLS": " btc", "CLICKHOUSE_PORT": "8123", "LOG_LEVEL": ""}.items():
        monkeypatch.setenv(name, value)
    alone = load_settings(tmp_path / ".env", {})
    assert only_set_here(alone, tmp_path / ".env") == []
    monkeypatch.setenv("CMC_API_KEY", "k")
    monkeypatch.setenv("CLICKHOUSE_DB", "of_environment")
    assert only_set_here(alone, tmp_path / ".env") == ["CLICKHOUSE_DB", "CMC_API_KEY"]


def test_a_line_that_says_nothing_is_named_by_its_number(tmp_path: Path) -> None:
    """It may hold a secret, so its text is not shown; the settings are not taken without it."""
    with pytest.raises(ConfigurationError, match="line 2 is neither") as refused:
        load(tmp_path, "LOG_LEVEL=INFO\nmy key is k-3c1\nSYMBOLS=BTC\n")
    assert "3c1" not in refused.value.message


def test_the_form_of_the_log_is_read_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A line that says nothing is told once, with its number, not by the library that reads the file as well."""
    (tmp_path / ".env").write_text("LOG_FORMAT=json\nmy key is k-3c1\n")
    assert load_log_format(tmp_path / ".env") == "console"
    assert caplog.records == []
    (tmp_path / ".env").write_text("LOG_FORMAT=json\nSYMBOLS=\n")
    assert load_log_format(tmp_path / ".env") == "json"


def test_forms_of_a_file_that_people_write(tmp_path: Path) -> None:
    """CRLF, a byte order mark, quotes, export, blanks and comments do no harm; embedded may be written large."""
    text = '\ufeff# mine\r\nexport SYMBOLS = "btc : 1, eth"\r\n\r\nCLICKHOUSE_HOST=Embedded # here\r\n'
    (tmp_path / ".env").write_bytes(text.encode())
    settings = load_settings(tmp_path / ".env")
    assert settings.symbols == (("BTC", 1), ("ETH", None))
    assert settings.embedded


def test_a_name_that_is_nearly_right_is_reported(tmp_path: Path) -> None:
    """A mistyped name is named with the one that was meant; a name of somebody else's is not ours to judge."""
    (tmp_path / ".env").write_text("SYMBOL=BTC\nCLICKHOUSE_HOTS=db\nFOO=1\nSYMBOLS=BTC\n")
    known = [name.upper() for name in Settings.model_fields]
    assert nearly_right(tmp_path / ".env", known) == {"CLICKHOUSE_HOTS": "CLICKHOUSE_HOST", "SYMBOL": "SYMBOLS"}
    assert nearly_right(tmp_path / "absent", known) == {}


def test_plain_http_is_for_this_machine_only(tmp_path: Path) -> None:
    """The stand-in on loopback may be asked without TLS."""
    (tmp_path / ".env").write_text("CMC_BASE_URL=http://127.0.0.1:8000/\n")
    assert load_settings(tmp_path / ".env").cmc_base_url == "http://127.0.0.1:8000"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 end in one line, not in a traceback."""
    (tmp_path / ".env").write_bytes(b"SYMBOLS=\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(tmp_path / ".env")


def test_the_example_is_valid(tmp_path: Path) -> None:
    """env.example copied as it stands gives the defaults."""
    text = (PROJECT_ROOT / "env.example").read_text()
    assert load(tmp_path, text) == load_settings(tmp_path / "absent")


def test_readme_names_every_setting() -> None:
    """Each variable has its row in the table of docs/operating.md, and none is named there that does not exist."""
    rows = re.findall(r"^\| (`[A-Z][^|]*) \|", (PROJECT_ROOT / "docs" / "operating.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert named == setting_names()

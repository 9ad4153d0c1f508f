"""Settings: where they come from, what is refused, and that no secret is shown."""

from __future__ import annotations

import os
import re
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from configurations.config import PROJECT_ROOT, SETTINGS, VERSION, Settings, SettingsError, load_settings, nearly_right


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)


def load(folder: Path, text: str = "") -> Settings:
    (folder / ".env").write_text(text)
    return load_settings(folder / ".env")


def refused(folder: Path, text: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(folder, text)
    return caught.value


@pytest.mark.parametrize("name", SETTINGS)
def test_control_character_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """In every setting, by its name and kind, never with the value."""
    for end, kind in {"\r": "carriage return", "\n": "control", "\x1b[0m": "control", "\x7f": "control"}.items():
        monkeypatch.setenv(name.upper(), f"4711{end}")
        with pytest.raises(SettingsError) as caught:
            load_settings(tmp_path / "absent")
        assert f"{name.upper()}: its value contains a {kind}" in caught.value.message
        assert "4711" not in caught.value.message


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable too."""
    monkeypatch.setenv("CLICKHOUSE_DB", "of_environment")
    monkeypatch.setenv("CMC_API_KEY", "")
    settings = load(tmp_path, "CLICKHOUSE_DB=of_file\nCMC_API_KEY=of-file\nSYMBOLS=ada\n")
    assert (settings.clickhouse_db, settings.cmc_api_key.value) == ("of_environment", "")
    assert settings.symbols == (("ADA", None),)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("SYMBOLS=", "at least one"),
        ("SYMBOLS=,", "at least one"),
        ("SYMBOLS=BTC,BTC:1", "more than once: BTC"),
        *((f"SYMBOLS=BTC,top:{number}", "1 to 5000") for number in ("0", "5001", "x", "", "-1", "1.5")),
        ("SYMBOLS=top:5,top:5", "more than once: top"),
        ("SYMBOLS=BTC'; DROP TABLE x", "neither a symbol"),
        ("SYMBOLS=BTC:0", "neither a symbol"),
        ("SYMBOLS=币安人生,BTC", "needs its id"),
        ("SYMBOLS=BTC:9999999999", "4294967295"),
        ("BINANCE_PAIRS=BTC:btcusdt", "is not a symbol with its pair"),
        ("BINANCE_PAIRS=BTC:BTCUSDT,BTC:BTCUSDC", "more than once: BTC"),
        ("BINANCE_PAIRS=DOGE:DOGEUSDT", "not among SYMBOLS: DOGE"),
        ("CLICKHOUSE_DB=crypto; DROP DATABASE x", "letters"),
        ("CLICKHOUSE_DB=../crypto", "letters"),
        ("CLICKHOUSE_DB=1st", "digit"),
        ("CLICKHOUSE_CLUSTER=a`b", "letters"),
        ("CLICKHOUSE_INSERT_QUORUM=most", "auto"),
        ("CLICKHOUSE_CHANGES=delete", "update, insert"),
        ("CLICKHOUSE_HOST=http://db:8123", "without http:// and without a port"),
        ("CLICKHOUSE_HOST=localhost/?query=DROP", "host name"),
        ("CLICKHOUSE_HOST=[fd00::7]:8443", "without a port"),
        ("CLICKHOUSE_HOST=user:password@db", "host name"),
        ("CLICKHOUSE_PORT=0", "1 to 65535"),
        ("CLICKHOUSE_PORT=65536", "1 to 65535"),
        ("CLICKHOUSE_PORT=tcp://10.96.0.10:8123", "tcp://10.96.0.10:8123"),
        ("CLICKHOUSE_SECURE=perhaps", "true or false"),
        ("CLICKHOUSE_CA_FILE=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("CLICKHOUSE_PATH=' '", "path"),
        ("CLICKHOUSE_PATH=data/a?b=c", "question mark"),
        ("CLICKHOUSE_PATH=~nobody-of-that-name/clickhouse", "home folder"),
        ("CMC_API_KEY='two words'", "ASCII"),
        ("CMC_BASE_URL=http://pro-api.coinmarketcap.com", "https"),
        ("CMC_BASE_URL=ftp://example.org", "https://"),
        ("CMC_BASE_URL=https://:password@example.org", "https://"),
        ("HEALTHCHECK_URL=hc-ping.com/x", "https://"),
        ("HEALTHCHECK_URL=gopher://example.com/check", "https://"),
        ("HEALTHCHECK_URL=https://[::1/x", "https://hc-ping.com"),
        ("HEALTHCHECK_URL=https://u:p\u2100@h/x", "https://hc-ping.com"),
        (f"CLICKHOUSE_CA_FILE={'x' * 300}", "does not exist"),
        ("HTTP_TIMEOUT_SECONDS=soon", "number"),
        ("HTTP_TIMEOUT_SECONDS=0", "greater than 0"),
        ("RUN_TIMEOUT_SECONDS=3600", "at most 3599"),
        ("RUN_TIMEOUT_SECONDS=nan", "number"),
        ("BACKFILL_TIMEOUT_SECONDS=1e12", "at most"),
        ("RUN_HISTORY_DAYS=0", "1 to 7300"),
        ("LOG_LEVEL=LOUD", "DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_wrong_value_is_named_in_one_line(tmp_path: Path, line: str, words: str) -> None:
    error = refused(tmp_path, line)
    assert error.message.startswith(f"{line.partition('=')[0]}: ")
    assert words in error.message
    assert "\n" not in error.message
    assert error.next_step.startswith(f"correct line 1 of {tmp_path / '.env'}")


def test_each_wrong_variable_has_a_line(tmp_path: Path) -> None:
    """Pairs cannot be judged by symbols that are wrong themselves; what is right is known nevertheless."""
    error = refused(tmp_path, "SYMBOLS=\nLOG_LEVEL=LOUD\nBINANCE_PAIRS=X:XUSDT\nLOG_FORMAT=json\nCLICKHOUSE_PORT=7")
    assert sorted(line.partition(":")[0] for line in error.message.splitlines()) == ["LOG_LEVEL", "SYMBOLS"]
    assert error.wrong == {"symbols", "log_level"}
    assert (error.settings.log_format, error.settings.clickhouse_port, error.settings.log_level) == ("json", 7, "INFO")


def test_no_secret_is_shown(tmp_path: Path) -> None:
    settings = load(tmp_path, "CMC_API_KEY=k-3c1\nCLICKHOUSE_PASSWORD=p-3c1\nHEALTHCHECK_URL=https://h/3c1")
    assert set(settings.secrets()) == {"k-3c1", "p-3c1", "https://h/3c1"}
    assert "3c1" not in repr(settings) + str(settings) + str(settings.cmc_api_key)
    assert "3c1" not in str(refused(tmp_path, "CMC_API_KEY='k 3c1'\nHEALTHCHECK_URL=3c1"))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        *((f"CLICKHOUSE_SECURE={word}", True) for word in ("true", "Yes", "ON", "1")),
        *((f"CLICKHOUSE_HOST={one}", "[::1]") for one in ("::1", "[::1]", "0:0::1")),
        ("CLICKHOUSE_HOST=[2001:db8::a:0:1]", "[2001:db8::a:0:1]"),
        ("CLICKHOUSE_HOST=::ffff:10.0.0.1", f"[{IPv6Address('::ffff:10.0.0.1')}]"),
        ("CMC_BASE_URL=http://127.0.0.1:8000/", "http://127.0.0.1:8000"),  # plain http is for this machine only
        ("SYMBOLS= btc:1 , ETH,", (("BTC", 1), ("ETH", None))),
        ("SYMBOLS=USDC.e:1", (("USDC.E", 1),)),
        ("SYMBOLS=a_b : 2", (("A_B", 2),)),
        ("SYMBOLS=UNI+:3", (("UNI+", 3),)),
        ("SYMBOLS=币安人生:4", (("币安人生", 4),)),
        ("SYMBOLS=हिन्दी:5", (("हिन्दी", 5),)),
        ("SYMBOLS=1inch:6", (("1INCH", 6),)),
        ("SYMBOLS=ё/x&y:7", (("Ё/X&Y", 7),)),
        ("SYMBOLS=top:60,TOP:3826,TOPS", (("top", 60), ("TOP", 3826), ("TOPS", None))),
    ],
)
def test_value_is_read(tmp_path: Path, line: str, value: object) -> None:
    assert getattr(load(tmp_path, line), line.partition("=")[0].lower()) == value


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", "BTC:BTCUSDT ETH:ETHUSDT SOL:SOLUSDT"),
        ("SYMBOLS=BTC:1,USDT", "BTC:BTCUSDT"),
        (
            "SYMBOLS=BTC,ETH,USDT\nBINANCE_PAIRS= eth:ETHBTC , USDT:币安人生USDT",
            "BTC:BTCUSDT ETH:ETHBTC USDT:币安人生USDT",
        ),
        ("SYMBOLS=BTC,XMR\nBINANCE_PAIRS=XMR:", "BTC:BTCUSDT"),
        ("SYMBOLS=top:9,BTC\nBINANCE_PAIRS=ETH:ETHBTC", "BTC:BTCUSDT"),
    ],
)
def test_pairs_of_symbols(tmp_path: Path, text: str, pairs: str) -> None:
    """With USDT by default, which has none itself; an empty one leaves a symbol out; the list has others."""
    assert " ".join(map(":".join, load(tmp_path, text).pairs.items())) == pairs


@pytest.mark.parametrize("name", sorted(name for name, field in SETTINGS.items() if not field.metadata["empty_counts"]))
def test_empty_variable_means_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As compose sets it from ``${NAME:-}``, and in .env; an empty SYMBOLS alone is refused."""
    assert load(tmp_path, f"{name}=\n") == load_settings(tmp_path / "absent")
    monkeypatch.setenv(name, "")
    assert load_settings(tmp_path / "absent") == Settings()


@pytest.mark.parametrize("value", ["p${HOME}w", "$HOME", "a$$b", "${", "${A:-b}"])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_value_of_the_file_is_not_expanded(tmp_path: Path, value: str, quote: str) -> None:
    assert load(tmp_path, f"A=x\nCLICKHOUSE_PASSWORD={quote}{value}{quote}").clickhouse_password.value == value


@pytest.mark.parametrize("name", ["SYMBOLS", "CMC_API_KEY", "LOG_LEVEL"])
def test_quotes_kept_by_an_env_file_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Docker's --env-file takes them for part of the value; other wrong variables are named too."""
    monkeypatch.setenv(name, '"k-3c1"')
    error = refused(tmp_path, "CLICKHOUSE_PORT=0")
    assert f"{name}: its value is in quotes" in error.message
    assert "CLICKHOUSE_PORT: " in error.message
    assert "3c1" not in str(error)


def test_next_step_names_where_each_variable_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = refused(tmp_path, "# mine\n\nLOG_LEVEL=LOUD\nCLICKHOUSE_DB=crypto\n\nCLICKHOUSE_PORT=0\n").next_step
    assert step == f"correct line 3, 6 of {tmp_path / '.env'} (see env.example)"
    monkeypatch.setenv("LOG_LEVEL", "SHOUTED")
    step = refused(tmp_path, "LOG_LEVEL=INFO\n").next_step
    assert step == "correct or unset LOG_LEVEL in the environment (see env.example)"
    step = refused(tmp_path, "CLICKHOUSE_PORT=0\n").next_step
    assert f"line 1 of {tmp_path / '.env'}; correct or unset LOG_LEVEL in" in step


@pytest.mark.parametrize(
    ("content", "words"), [(b"LOG_LEVEL=INFO\nmy key is k-3c1\n", "line 2"), (b"SYMBOLS=\xff\xfe", "cannot be read")]
)
def test_unreadable_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / ".env").write_bytes(b"UNKNOWN=1\n" * (words == "cannot be read") + content)
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings(tmp_path / ".env")
    assert "3c1" not in str(caught.value)


def test_common_forms_of_the_file_are_read(tmp_path: Path) -> None:
    text = '\ufeff# mine\r\nexport SYMBOLS = "btc : 1, eth"\r\n\r\nCLICKHOUSE_HOST=Embedded # x\r\nlog_level=debug\r\n'
    (tmp_path / ".env").write_bytes(text.encode())
    settings = load_settings(tmp_path / ".env")
    assert settings.symbols == (("BTC", 1), ("ETH", None))
    assert settings.embedded
    assert settings.log_level == "DEBUG"


def test_misspelled_name_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SYMBOL=BTC\nCLICKHOUSE_HOTS=db\nFOO=1\nSYMBOLS=BTC\nCMC_KEY=\n")
    meant = {"CLICKHOUSE_HOTS": "CLICKHOUSE_HOST", "CMC_KEY": "CMC_API_KEY", "SYMBOL": "SYMBOLS"}
    assert nearly_right(tmp_path / ".env") == meant
    assert nearly_right(tmp_path / "absent") == {}


def test_example_file_holds_every_default(tmp_path: Path) -> None:
    text = (PROJECT_ROOT / "env.example").read_text()
    assert load(tmp_path, text) == Settings()
    assert set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)) == {name.upper() for name in SETTINGS}


def test_docs_name_every_setting() -> None:
    rows = re.findall(r"^\| (`[A-Z][^|]*) \|", (PROJECT_ROOT / "docs" / "operating.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert named == {name.upper() for name in SETTINGS}


def test_version_is_that_of_pyproject() -> None:
    assert f'\nversion = "{VERSION}"\n' in (PROJECT_ROOT / "pyproject.toml").read_text()

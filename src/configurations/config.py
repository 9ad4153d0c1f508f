"""Settings: the only reader of the environment and of ``.env``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from dotenv.parser import Binding, parse_stream
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters._bases.errors import ConfigurationError
from configurations.logs import LogFormat

VERSION = "0.1.0"


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


PROJECT_ROOT = Path(__file__).resolve().parents[2]
ENV_FILE = PROJECT_ROOT / ".env"
EMBEDDED = "embedded"
_HOUR_SECONDS = 3600
_TEN_YEARS_HOURS = 10 * 365 * 24


def _in_checkout(value: Path | None) -> Path | None:
    """The absolute path of one that is relative to the checkout, or to somebody's home."""
    try:
        return None if value is None else PROJECT_ROOT / value.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder for {value}") from error


Folder = Annotated[Path, BeforeValidator(not_empty), AfterValidator(_in_checkout)]
OptionalPath = Annotated[Path | None, BeforeValidator(empty_as_none), AfterValidator(_in_checkout)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(empty_as_none)]
SourceAddress = Annotated[str, AfterValidator(safe_address)]
"""Where a source is: its base URL, without a slash at the end."""
SettingsT = TypeVar("SettingsT", bound=BaseSettings)

FORM = SettingsConfigDict(env_file_encoding="utf-8", extra="ignore", frozen=True, hide_input_in_errors=True)
"""How every class of settings reads the environment and ``.env``."""


class Settings(BaseSettings):
    """What the operator can set; see env.example. A real environment variable wins over ``.env``.

    Durations are in seconds unless the name says hours. Relative paths are relative to the checkout.
    """

    model_config = FORM

    clickhouse_host: Annotated[str, AfterValidator(host_name)] = EMBEDDED
    clickhouse_path: Folder = Path("data/clickhouse")
    clickhouse_port: Annotated[int, Field(ge=1, le=65535)] = 8123
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_db: Annotated[str, AfterValidator(identifier)] = "crypto"
    clickhouse_secure: bool = False
    clickhouse_ca_file: OptionalPath = None
    cmc_api_key: OptionalSecret = None
    cmc_base_url: SourceAddress = "https://pro-api.coinmarketcap.com"
    symbols: Annotated[tuple[SymbolEntry, ...], NoDecode, BeforeValidator(symbol_entries)] = (
        ("BTC", None),
        ("ETH", None),
        ("SOL", None),
    )
    http_timeout_seconds: Annotated[float, Field(gt=0, lt=_HOUR_SECONDS)] = 30.0
    run_timeout_seconds: Annotated[float, Field(gt=0, lt=_HOUR_SECONDS)] = 600.0
    backfill_timeout_seconds: Annotated[float, Field(gt=0, le=30 * 24 * _HOUR_SECONDS)] = 21600.0
    stale_after_hours: Annotated[float, Field(gt=0, le=_TEN_YEARS_HOURS)] = 24.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: LogFormat = "console"
    data_path: Folder = Path("data")
    run_history_days: Annotated[int, Field(ge=1, le=7300)] = 365
    healthcheck_url: OptionalSecret = None
    no_color: str = ""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("clickhouse_path")
    @classmethod
    def _whole_to_the_engine(cls, value: Path) -> Path:
        # The embedded engine takes what follows a question mark for options of its own.
        if "?" in str(value):
            raise ValueError("a path without a question mark is needed, the checkout's own included")
        return value

    @field_validator("clickhouse_ca_file")
    @classmethod
    def _is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}")
        return value

    @field_validator("cmc_api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and any(not " " < character < "\x7f" for character in value.get_secret_value()):
            raise ValueError("printable ASCII without spaces is needed: what is there cannot travel in an HTTP header")
        return value

    @field_validator("healthcheck_url")
    @classmethod
    def _address_of_a_monitor(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value() if value else "https://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("an address such as https://hc-ping.com/your-check is needed")
        return value

    @property
    def embedded(self) -> bool:
        """Whether the database is the engine inside this process."""
        return self.clickhouse_host == EMBEDDED

    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown; for the log's redaction."""
        held = (self.clickhouse_password, self.cmc_api_key, self.healthcheck_url)
        return tuple(secret.get_secret_value() for secret in held if secret and secret.get_secret_value())


class _LogSettings(BaseSettings):
    model_config = FORM

    log_format: LogFormat = "console"


class _StateSettings(BaseSettings):
    model_config = FORM

    data_path: Folder = Path("data")


def load_log_format(env_file: Path | None = ENV_FILE) -> LogFormat:
    """LOG_FORMAT alone, for a log of what is wrong with the other settings; its default where it is wrong itself."""
    try:
        return load_own_settings(_LogSettings, env_file).log_format
    except ConfigurationError:
        return "console"


def load_data_path(env_file: Path | None = ENV_FILE) -> Path:
    """DATA_PATH alone, for what must go on though other settings are wrong: a job that runs can still be ended.

    Raises:
        ConfigurationError: DATA_PATH itself is wrong, or the file cannot be read.
    """
    return load_own_settings(_StateSettings, env_file).data_path


def load_settings(env_file: Path | None = ENV_FILE) -> Settings:
    """The settings that all jobs share and those of CoinMarketCap; see `load_own_settings`."""
    return load_own_settings(Settings, env_file)


def load_own_settings(kind: type[SettingsT], env_file: Path | None = ENV_FILE) -> SettingsT:
    """The settings of this process, of the given kind.

    Args:
        kind: `Settings`, or a pipeline's own class of `FORM`.
        env_file: read for what the environment does not set; it may be absent; None reads no file.

    Raises:
        ConfigurationError: something is wrong; the message has one line for each variable, and no secret value.
    """
    try:
        if env_file is not None:
            refuse_unreadable_lines(env_file)
        return kind(_env_file=env_file)
    except ValidationError as error:
        lines = [_line(detail) for detail in error.errors(include_url=False, include_input=False)]
        raise ConfigurationError(
            "\n".join(lines), next_step=f"correct it in {env_file or 'the environment'} (see env.example)"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{env_file}: cannot be read ({error})", next_step="mend the file") from error


def _line(detail: Any) -> str:
    """One pydantic error as ``VARIABLE: what is wrong``."""
    message = words_for(detail["type"], detail["msg"])
    name = str(detail["loc"][0]).upper() if detail["loc"] else ""
    return f"{name}: {message}" if name else message

"""Settings: the only reader of the environment and of ``.env``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters._bases.errors import ConfigurationError
from configurations.env_file import refuse_unreadable_lines
from configurations.logs import LogFormat
from configurations.values import (
    SymbolEntry,
    empty_as_none,
    host_name,
    identifier,
    not_empty,
    safe_address,
    symbol_entries,
    words_for,
)

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

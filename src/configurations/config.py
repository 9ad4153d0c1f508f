"""Settings: the only reader of the environment and of ``.env``.

A variable of the environment wins over ``.env``; one that is empty stands for its default, except for a list of
symbols. What ``.env`` says is taken as it stands: ``${…}`` in it is not expanded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar
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
_HOST = re.compile(r"[A-Za-z0-9._\-]+")
_HOST_WITH_PORT = re.compile(r"([A-Za-z0-9._\-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CLUSTER = re.compile(r"[A-Za-z0-9._\-]*")
_QUORUM = re.compile(r"auto|[0-9]{0,2}")
_SYMBOL = re.compile(r"[0-9A-Za-z$@\-]{1,30}")
"""One that can be asked for by itself."""
_SYMBOL_WITH_ID = re.compile(r"([^\s:'\"`\\;#=]{1,30})\s*:\s*([1-9][0-9]{0,9})")
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
    entries = [_symbol_entry(part) for part in filter(None, (part.strip() for part in value.split(",")))]
    if not entries:
        raise ValueError("at least one symbol is needed, such as BTC,ETH,SOL")
    repeated = sorted({symbol for symbol, _ in entries if [name for name, _ in entries].count(symbol) > 1})
    if repeated:
        raise ValueError(f"named more than once: {', '.join(repeated)}")
    return tuple(entries)


def _symbol_entry(part: str) -> SymbolEntry:
    if _SYMBOL.fullmatch(part):
        return part.upper(), None
    match = _SYMBOL_WITH_ID.fullmatch(part)
    if match is None or not match[1].isprintable():
        raise ValueError(
            f"{part!r} is neither a symbol such as BTC nor a symbol with an id such as BTC:1; "
            "one with a dot, another sign or letters of another script needs its id"
        )
    if int(match[2]) > HIGHEST_ID:
        raise ValueError(f"{part!r}: there is no id above {HIGHEST_ID}")
    return match[1].upper(), int(match[2])


def safe_address(value: str) -> str:
    """Over https, or to this machine: else what travels could be read or changed on the way."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("an address such as https://api.example.com is needed")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("https is needed: over http what is sent, a key too, could be read on the way")
    return value.rstrip("/")


def host_name(value: str) -> str:
    """A server's name or address, IPv6 in brackets; ``embedded`` in any case is the engine inside this process."""
    if value.lower() == "embedded":
        return "embedded"
    if with_port := _HOST_WITH_PORT.fullmatch(value):
        host, port = with_port.groups()
        raise ValueError(f"{value} has a port: write CLICKHOUSE_HOST={host} and CLICKHOUSE_PORT={port}")
    if _HOST.fullmatch(value):
        return value
    try:
        return f"[{IPv6Address(value.removeprefix('[').removesuffix(']'))}]"
    except AddressValueError:
        raise ValueError(
            "a host name or address alone is needed, without http:// and without a port; or: embedded"
        ) from None


def port_number(value: object) -> object:
    """Name what Kubernetes and Docker's links put there."""
    if isinstance(value, str) and value.startswith(("tcp://", "udp://")):
        raise ValueError(
            f"{value} is the address that Kubernetes, or a Docker link, sets for a service called clickhouse: "
            "rename that service, set enableServiceLinks: false, or set a number here"
        )
    return value


def identifier(value: str) -> str:
    """A name that can stand in SQL."""
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError("letters, digits and underscores only, not starting with a digit, at most 64 of them")
    return value


def cluster_name(value: str) -> str:
    """A cluster's name as it can stand in SQL between backticks; empty for none."""
    if not _CLUSTER.fullmatch(value):
        raise ValueError("letters, digits, dots, dashes and underscores only, as SELECT cluster FROM system.clusters")
    return value


def quorum(value: str) -> str:
    """How many replicas must have an insert, or ``auto`` for most of them; empty for the program's choice."""
    if not _QUORUM.fullmatch(value):
        raise ValueError("a number of replicas is needed, or: auto")
    return value


_ALIKE = 0.8


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


def _in_checkout(value: Path) -> Path:
    """The absolute path of one that is relative to the checkout, or to somebody's home."""
    if not str(value).strip():
        raise ValueError("a path is needed")
    try:
        return PROJECT_ROOT / value.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home folder for {value}") from error


Folder = Annotated[Path, AfterValidator(_in_checkout)]
SourceAddress = Annotated[str, AfterValidator(safe_address)]
"""Where a source is: its base URL, without a slash at the end."""
Symbols = Annotated[tuple[SymbolEntry, ...], NoDecode, BeforeValidator(symbol_entries)]
"""The symbols that are followed, each with the id given with it."""
DEFAULT_SYMBOLS: tuple[SymbolEntry, ...] = (("BTC", None), ("ETH", None), ("SOL", None))
SettingsT = TypeVar("SettingsT", bound=BaseSettings)

FORM = SettingsConfigDict(validate_default=False, extra="ignore", frozen=True, hide_input_in_errors=True)
"""The form of every class of settings; `load_own_settings` fills it."""
_NETWORK = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_NEVER = "\0"
"""No variable of an environment begins so."""


class Settings(BaseSettings):
    """What the operator can set; see env.example.

    Durations are in seconds unless the name says hours. Relative paths are relative to the checkout.
    """

    model_config = FORM

    clickhouse_host: Annotated[str, AfterValidator(host_name)] = EMBEDDED
    clickhouse_path: Annotated[Folder, Field(validate_default=True)] = PROJECT_ROOT / "data/clickhouse"
    clickhouse_port: Annotated[int, BeforeValidator(port_number), Field(ge=1, le=65535)] = 8123
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_db: Annotated[str, AfterValidator(identifier)] = "crypto"
    clickhouse_secure: bool = False
    clickhouse_ca_file: Folder | None = None
    clickhouse_cluster: Annotated[str, AfterValidator(cluster_name)] = ""
    clickhouse_changes: Literal["", "update", "insert"] = ""
    clickhouse_insert_quorum: Annotated[str, AfterValidator(quorum)] = ""
    cmc_api_key: SecretStr | None = None
    cmc_base_url: SourceAddress = "https://pro-api.coinmarketcap.com"
    symbols: Symbols = DEFAULT_SYMBOLS
    http_timeout_seconds: Annotated[float, Field(gt=0, lt=_HOUR_SECONDS)] = 30.0
    run_timeout_seconds: Annotated[float, Field(gt=0, lt=_HOUR_SECONDS)] = 600.0
    backfill_timeout_seconds: Annotated[float, Field(gt=0, le=30 * 24 * _HOUR_SECONDS)] = 21600.0
    stale_after_hours: Annotated[float, Field(gt=0, le=_TEN_YEARS_HOURS)] = 24.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: LogFormat = "console"
    data_path: Folder = PROJECT_ROOT / "data"
    run_history_days: Annotated[int, Field(ge=1, le=7300)] = 365
    healthcheck_url: SecretStr | None = None
    healthcheck_url_heal: SecretStr | None = None
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

    @field_validator("healthcheck_url", "healthcheck_url_heal")
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

    def only(self, symbols: Sequence[str]) -> Settings:
        """The settings with those of the symbols alone that are named.

        Raises:
            ConfigurationError: one is not among SYMBOLS, where its coin is settled.
        """
        followed = dict(self.symbols)
        if unknown := [symbol for symbol in symbols if symbol not in followed]:
            raise ConfigurationError(
                f"{', '.join(unknown)} not among SYMBOLS", next_step=f"name some of these: {', '.join(followed)}"
            )
        return self.model_copy(update={"symbols": tuple((symbol, followed[symbol]) for symbol in symbols)})

    def secrets(self) -> tuple[str, ...]:
        """The values that must never be shown; for the log's redaction."""
        held = (self.clickhouse_password, self.cmc_api_key, self.healthcheck_url, self.healthcheck_url_heal)
        return tuple(secret.get_secret_value() for secret in held if secret and secret.get_secret_value())


class _LogSettings(BaseSettings):
    model_config = FORM

    log_format: LogFormat = "console"


class _StateSettings(BaseSettings):
    model_config = FORM

    data_path: Folder = PROJECT_ROOT / "data"


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


def only_set_here(elsewhere: BaseSettings, env_file: Path | None = ENV_FILE) -> list[str]:
    """The variables that this process's environment gives another value than they have elsewhere.

    Args:
        elsewhere: the settings of another environment, such as cron's.
        env_file: as for `load_own_settings`.

    Raises:
        ConfigurationError: the settings are wrong here.
    """
    kind = type(elsewhere)
    here = load_own_settings(kind, env_file)
    return [name.upper() for name in kind.model_fields if getattr(here, name) != getattr(elsewhere, name)]


def network_variables() -> list[str]:
    """The variables set in this environment that say by which way, and trusting whom, HTTP calls are made."""
    return sorted(name for name in os.environ if name.upper() in _NETWORK)  # noqa: TID251 - this is that reader


class _Given(NamedTuple):
    """What was set.

    Attributes:
        value: of the variable.
        line: of ``.env``; None when the environment set it.
    """

    value: str
    line: int | None


def load_own_settings(
    kind: type[SettingsT], env_file: Path | None = ENV_FILE, environment: Mapping[str, str] | None = None
) -> SettingsT:
    """The settings of this process, of the given kind.

    Args:
        kind: `Settings`, or a pipeline's own class of `FORM`.
        env_file: read for what the environment does not set; it may be absent; None reads no file.
        environment: None for the process's own.

    Raises:
        ConfigurationError: something is wrong; the message has one line for each variable, and no secret value; the
            next step says where each was set.
    """
    try:
        outside = os.environ if environment is None else environment  # noqa: TID251 - this is that reader
        given = _given(kind, env_file, outside)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{env_file}: cannot be read ({error})", next_step="mend the file") from error
    wrong = {
        name: _QUOTED
        for name, one in given.items()
        if one.line is None and re.fullmatch(r"(['\"]).*\1", one.value, re.DOTALL)
    }
    # An empty list of symbols is more likely a mistake than the wish for the default ones.
    values: dict[str, Any] = {
        name: one.value for name, one in given.items() if name not in wrong and (one.value or name.endswith("symbols"))
    }
    try:
        settings = kind(_env_file=None, _env_prefix=_NEVER, **values)
    except ValidationError as error:
        wrong |= {"".join(map(str, one["loc"][:1])): words_for(one["type"], one["msg"]) for one in error.errors()}
        raise _wrong(wrong, given, env_file) from error
    if wrong:
        raise _wrong(wrong, given, env_file)
    return settings


load_settings = partial(load_own_settings, Settings)
"""The settings that all jobs share and those of CoinMarketCap; see `load_own_settings`."""

_QUOTED = "its value is in quotes, which Docker's --env-file keeps: take them away there"


def _given(kind: type[BaseSettings], env_file: Path | None, environment: Mapping[str, str]) -> dict[str, _Given]:
    """What is set of the fields of a class, by the field's name.

    Raises:
        ConfigurationError: a line is neither ``NAME=value`` nor a comment; the message has its number, not its text.
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    bindings = _bindings(env_file) if env_file else []
    if unreadable := [str(_line_of(binding)) for binding in bindings if binding.error]:
        raise ConfigurationError(
            f"{env_file}: line {', '.join(unreadable)} is neither NAME=value nor a comment",
            next_step="mend it; env.example shows the form",
        )
    in_file = {one.key.lower(): _Given(one.value or "", _line_of(one)) for one in bindings if one.key}
    outside = {name.lower(): _Given(value, None) for name, value in environment.items()}
    return {name: one for name, one in (in_file | outside).items() if name in kind.model_fields}


def _line_of(binding: Binding) -> int:
    """Where the variable stands: a binding begins with the blank lines above it."""
    blank = binding.original.string[: len(binding.original.string) - len(binding.original.string.lstrip())]
    return binding.original.line + blank.count("\n")


def _wrong(wrong: Mapping[str, str], given: Mapping[str, _Given], env_file: Path | None) -> ConfigurationError:
    """What is wrong with each field, and where each is to be corrected."""
    lines = sorted({given[name].line or 0 for name in wrong if name in given and given[name].line})
    outside = [name.upper() for name in wrong if name in given and given[name].line is None]
    steps = [f"correct line {', '.join(map(str, lines))} of {env_file}"] * bool(lines)
    steps += [f"correct or unset {', '.join(outside)} in the environment"] * bool(outside)
    message = "\n".join(f"{name.upper()}: {words}" if name else words for name, words in wrong.items())
    return ConfigurationError(message, next_step=f"{'; '.join(steps)} (see env.example)")

"""Settings: the only reader of the environment and of ``.env``.

A variable of the environment wins over ``.env``. An empty one stands for its default, except for SYMBOLS,
NOBITEX_BASE_URL and WALLEX_BASE_URL. Values of ``.env`` are taken literally: ``${…}`` is not expanded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import partial
from io import StringIO
from ipaddress import AddressValueError, IPv6Address
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from adapters._bases.errors import ConfigurationError

SymbolEntry = tuple[str, int | None]  # with the CoinMarketCap id given with it, if any

VERSION = "0.1.0"
PROJECT_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT: Mapping[str, str] = os.environ  # noqa: TID251 - this is its one reader
# The demo names /dev/null here, so that its processes ignore the user's settings.
ENV_FILE = Path(_ENVIRONMENT.get("DATA_PROCESSOR_ENV_FILE", PROJECT_ROOT / ".env"))
EMBEDDED = "embedded"
TOP = "top"  # not a symbol, which is in upper case: the largest coins
MOST_LISTED = 5000
HIGHEST_ID = 2**32 - 1  # of the table's cmc_id column
_HOUR_SECONDS = 3600
_TEN_YEARS_HOURS = 10 * 365 * 24
_QUOTE = "USDT"  # the quote coin of pairs that BINANCE_PAIRS does not name

_CHECK = "https://hc-ping.com/your-check"  # of a monitor

_HOST = re.compile(r"[A-Za-z0-9._\-]+")
_SYMBOL = re.compile(r"[0-9A-Za-z$@\-]{1,30}")
# With an id, a symbol is only a name: any script and most signs are allowed.
_SYMBOL_WITH_ID = re.compile(r"([^\s:'\"`\\;#=]{1,30})\s*:\s*([1-9][0-9]{0,9})")
_TOP = re.compile(TOP + r"\s*:(.*)")
_PAIR = re.compile(r"([^\s:,'\"`\\;#=]{1,30})\s*:\s*([^\s:,'\"`\\;#=a-z]{2,20}|)")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PASSWORD = re.compile(r"((?://|^(?!\w+://))[^\s:/@]*:)\S*(?=@)")  # in an address
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OF_SEVERAL_LINES = {"symbols", "binance_pairs", "alert_command"}
_NETWORK = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}


@dataclass(frozen=True)
class Secret:
    """Text that ``repr`` and ``str`` do not show; false if it is empty."""

    value: str = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.value)


# --- parsers: from the text of a variable to its value; a ValueError says what is needed ---


def _host_name(text: str) -> str:
    if text.lower() == EMBEDDED:
        return EMBEDDED
    if _HOST.fullmatch(text):
        return text
    try:
        return f"[{IPv6Address(text.removeprefix('[').removesuffix(']'))}]"
    except AddressValueError:
        raise ValueError(
            "a host name or address alone is needed, without http:// and without a port; or: embedded"
        ) from None


def _entries(text: str, *, entry: Callable[[str], tuple[str, Any]], needed: str = "") -> tuple[tuple[str, Any], ...]:
    entries = tuple(map(entry, split_list(text)))
    if needed and not entries:
        raise ValueError(needed)
    symbols = [symbol for symbol, _ in entries]
    if repeated := sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
        raise ValueError(f"named more than once: {', '.join(repeated)}")
    return entries


def _symbol_entry(part: str) -> SymbolEntry:
    if number := _TOP.fullmatch(part):
        return TOP, _whole_number(number[1], highest=MOST_LISTED)
    if _SYMBOL.fullmatch(part):
        return part.upper(), None
    match = _SYMBOL_WITH_ID.fullmatch(part)
    if match is None or not match[1].isprintable():
        raise ValueError(
            f"{part!r} is neither a symbol such as BTC nor a symbol with an id such as BTC:1; "
            "a symbol with a dot, another sign or letters of another script needs its id"
        )
    if int(match[2]) > HIGHEST_ID:
        raise ValueError(f"{part!r}: ids end at {HIGHEST_ID}")
    return match[1].upper(), int(match[2])


def _pair_entry(part: str) -> tuple[str, str]:
    """``BTC:BTCUSDT``, or ``XMR:`` for a symbol that should have no pair."""
    if not (match := _PAIR.fullmatch(part)):
        raise ValueError(f"{part!r} is not a symbol with its pair at Binance, such as BTC:BTCUSDT")
    return match[1].upper(), match[2]


def split_list(text: str) -> list[str]:
    """The entries of a comma-separated list, without blanks; empty entries are skipped."""
    return [part for part in map(str.strip, text.split(",")) if part]


def source_address(text: str) -> str:
    """A base URL without a trailing slash; empty for a source that is left out."""
    parts = urlsplit(_address(text, example="https://api.example.com"))
    if "@" in parts.netloc or parts.query:
        raise ValueError("an address without a password and a query is needed, such as https://api.example.com")
    # Over plain http, the key could be read and the prices changed on the way.
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("https is needed: over http what is sent, a key too, could be read on the way")
    return text.rstrip("/")


def _address(text: str, *, example: str, convert: Callable[[str], Any] = str) -> Any:
    with suppress(ValueError):  # its own words would show the address, which may hold a secret
        parts = urlsplit(text)
        if not text or (parts.scheme in {"http", "https"} and parts.hostname):
            return convert(text)
    raise ValueError(f"an address such as {example} is needed")


def _path(text: str, *, of_file: bool = False) -> Path | None:
    """The path of a folder, or of a file that exists, if any is named."""
    if of_file and not text:
        return None
    if not text.strip():
        raise ValueError("a path is needed")
    try:
        path = PROJECT_ROOT / Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{text} has no home folder") from error
    if of_file:
        with suppress(OSError):  # a name that is too long
            if path.is_file():
                return path
        raise ValueError(f"the file {path} does not exist")
    return path


def _matching(text: str, *, pattern: str, needed: str, convert: Callable[[str], Any] = str) -> Any:
    if not re.fullmatch(pattern, text):
        raise ValueError(needed)
    return convert(text)


def _one_of(text: str, *, choices: Sequence[str]) -> str:
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    raise ValueError(f"one of these is needed: {', '.join(filter(None, choices))}")


def _whole_number(text: str, *, highest: int) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text) or not 1 <= int(text) <= highest:
        raise ValueError(f"a whole number from 1 to {highest} is needed, not {text!r}")
    return int(text)


def _positive(text: str, *, highest: float) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= highest:  # false for nan
            return float(text)
    raise ValueError(f"a number greater than 0, at most {highest:g}, is needed")


def _setting(parse: Callable[..., Any], default: str = "", *, empty_counts: bool = False, **bounds: Any) -> Any:
    """A field with the parser of its text, and the text that an unset variable stands for.

    An empty variable stands for the same, unless `empty_counts`.
    """
    parser = partial(parse, **bounds)
    metadata = {"parse": parser, "default": default, "empty_counts": empty_counts}
    return field(default_factory=partial(parser, default), metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the operator can set; see env.example.

    Durations are in seconds unless the name says hours. Relative paths are relative to the checkout.
    """

    clickhouse_host: str = _setting(_host_name, EMBEDDED)
    clickhouse_path: Path = _setting(_path, "data/clickhouse")
    clickhouse_port: int = _setting(_whole_number, "8123", highest=65535)
    clickhouse_user: str = _setting(str, "default")
    clickhouse_password: Secret = _setting(Secret)
    clickhouse_db: str = _setting(
        _matching,
        "crypto",
        pattern=r"[A-Za-z_][A-Za-z0-9_]{0,63}",
        needed="up to 64 letters, digits and underscores, not starting with a digit",
    )
    clickhouse_secure: bool = _setting(
        _matching,
        "false",
        pattern=r"(?i)\s*(true|yes|on|1|false|no|off|0)\s*",
        needed="true or false is needed",
        convert=lambda text: text.strip().lower() in {"true", "yes", "on", "1"},
    )
    clickhouse_ca_file: Path | None = _setting(_path, of_file=True)
    clickhouse_cluster: str = _setting(
        _matching,
        pattern=r"[A-Za-z0-9._\-]*",
        needed="only letters, digits, dots, dashes and underscores, as in system.clusters",
    )
    clickhouse_changes: Literal["", "update", "insert"] = _setting(_one_of, choices=("", "update", "insert"))
    clickhouse_insert_quorum: str = _setting(
        _matching, pattern=r"auto|[0-9]{0,2}", needed="a number of replicas is needed, or: auto"
    )
    cmc_api_key: Secret = _setting(
        _matching,
        pattern=r"[!-~]*",
        needed="printable ASCII without spaces is needed: an HTTP header cannot carry anything else",
        convert=Secret,
    )
    cmc_base_url: str = _setting(source_address, "https://pro-api.coinmarketcap.com")
    # An empty list of symbols is more likely a mistake than a wish for the default ones.
    symbols: tuple[SymbolEntry, ...] = _setting(
        _entries,
        "BTC,ETH,SOL",
        empty_counts=True,
        entry=_symbol_entry,
        needed="at least one symbol is needed, such as BTC,ETH,SOL",
    )
    binance_base_url: str = _setting(source_address, "https://data-api.binance.vision")
    binance_pairs: tuple[tuple[str, str], ...] = _setting(_entries, entry=_pair_entry)
    nobitex_base_url: str = _setting(source_address, "https://apiv2.nobitex.ir", empty_counts=True)
    wallex_base_url: str = _setting(source_address, "https://api.wallex.ir", empty_counts=True)
    http_timeout_seconds: float = _setting(_positive, "30", highest=_HOUR_SECONDS - 1)
    # Less than an hour, so that a run is over before the next one starts.
    run_timeout_seconds: float = _setting(_positive, "600", highest=_HOUR_SECONDS - 1)
    backfill_timeout_seconds: float = _setting(_positive, "21600", highest=30 * 24 * _HOUR_SECONDS)
    stale_after_hours: float = _setting(_positive, "24", highest=_TEN_YEARS_HOURS)
    log_level: str = _setting(_one_of, "INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    log_format: str = _setting(_one_of, "console", choices=("console", "json"))
    data_path: Path = _setting(_path, "data")
    backup_path: Path = _setting(_path, "backups")
    run_history_days: int = _setting(_whole_number, "365", highest=7300)
    healthcheck_url: Secret = _setting(_address, example=_CHECK, convert=Secret)
    healthcheck_url_heal: Secret = _setting(_address, example=_CHECK, convert=Secret)
    healthcheck_url_status: Secret = _setting(_address, example=_CHECK, convert=Secret)
    alert_command: Secret = _setting(Secret)  # it may contain a token
    no_color: str = _setting(str)

    @property
    def embedded(self) -> bool:
        return self.clickhouse_host == EMBEDDED

    @property
    def engine(self) -> str:
        """Where the database is: the embedded engine's folder, or the server's host and port."""
        return str(self.clickhouse_path) if self.embedded else f"{self.clickhouse_host}:{self.clickhouse_port}"

    @property
    def pairs(self) -> dict[str, str]:
        return self.pairs_of(dict(self.named))

    def pairs_of(self, symbols: Iterable[str]) -> dict[str, str]:
        """Symbol to its pair at Binance, for each that has one: from BINANCE_PAIRS, or else with USDT."""
        own = {_QUOTE: "", **dict(self.binance_pairs)}
        return {symbol: pair for symbol in symbols if (pair := own.get(symbol, f"{symbol}{_QUOTE}"))}

    @property
    def named(self) -> tuple[SymbolEntry, ...]:
        """The entries of SYMBOLS without the list of the largest coins."""
        return tuple(entry for entry in self.symbols if entry[0] != TOP)

    @property
    def top(self) -> int:
        """How many of the largest coins are followed; 0 for none but the named ones."""
        return dict(self.symbols).get(TOP) or 0

    def secrets(self) -> tuple[str, ...]:
        return tuple(one.value for one in vars(self).values() if isinstance(one, Secret) and one)


SETTINGS = {field.name: field for field in fields(Settings)}


def renamed_entry(symbols: Sequence[SymbolEntry], renamed: Mapping[str, SymbolEntry]) -> str:
    """The whole entry of ``.env`` for these symbols, with new ones in the place of those that were renamed."""
    entries = [renamed.get(symbol, (symbol, cmc_id)) for symbol, cmc_id in symbols]
    return f"SYMBOLS={','.join(f'{symbol}:{cmc_id}' if cmc_id else symbol for symbol, cmc_id in entries)}"


@dataclass(eq=False, repr=False, kw_only=True)
class SettingsError(ConfigurationError):
    """Some variables are wrong; the message has a line for each, and no secret value."""

    settings: Settings  # the wrong ones have their defaults
    wrong: Collection[str]  # names of fields; empty text stands for an unreadable file


class _Given(NamedTuple):
    value: str
    line: int | None = None  # of .env; None if the environment set it


def load_settings(env_file: Path = ENV_FILE, environment: Mapping[str, str] = _ENVIRONMENT) -> Settings:
    """The settings of this process, or of one with that environment. `env_file` may be absent.

    Raises:
        SettingsError: something is wrong; the next step says where each variable was set.
    """
    given = _read_given(env_file, environment)
    wrong = {"": f"{env_file}: {given[''].value}"} if "" in given else {}
    values = {}
    for name in SETTINGS:
        try:
            values[name] = _parsed(name, given.get(name))
        except ValueError as error:  # noqa: PERF203 - each wrong variable has its own line
            wrong[name] = str(error)
    settings = Settings(**values)
    # The embedded engine reads what follows a question mark as options.
    if "?" in str(settings.clickhouse_path):
        wrong["clickhouse_path"] = "a path without a question mark is needed; the checkout's own path counts too"
    strangers = [symbol for symbol, _ in settings.binance_pairs if symbol not in dict(settings.symbols)]
    if strangers and not settings.top and "symbols" not in wrong:
        wrong["binance_pairs"] = f"not among SYMBOLS: {', '.join(strangers)}; add them there"
    if not wrong:
        return settings
    raise SettingsError(
        "\n".join(f"{name.upper()}: {words}" if name else words for name, words in wrong.items()),
        next_step=_where_to_correct(wrong, given, env_file),
        settings=settings,
        wrong=wrong.keys(),
    )


def _read_given(env_file: Path, environment: Mapping[str, str]) -> dict[str, _Given]:
    """What is set, by lower-case name; what is wrong with the file by an empty one."""
    given: dict[str, _Given] = {}
    try:
        file = env_file.read_text(encoding="utf-8-sig") if env_file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        file, given[""] = "", _Given(f"cannot be read ({error})")
    if file:  # most hosts of a container have none
        from dotenv.parser import parse_stream  # noqa: PLC0415

        for one in parse_stream(StringIO(file)):
            text = one.original.string
            # It begins with the blank lines above it.
            line = one.original.line + text[: len(text) - len(text.lstrip())].count("\n")
            if one.error:  # its number is shown, not its text, which may hold a secret
                given[""] = _Given(f"line {line} is neither NAME=value nor a comment", line)
            elif one.key:
                given[one.key.lower()] = _Given(one.value or "", line)
    return given | {name.lower(): _Given(value) for name, value in environment.items()}


def origins() -> list[tuple[str, str, str]]:
    """Each setting with its text, secrets masked, and where that is from: ``environment``, ``.env:LINE``, ``default``.

    With the variables of the environment that choose the route of HTTP calls. Wrong settings are shown as they are.
    """
    given = _read_given(ENV_FILE, _ENVIRONMENT)
    rows = []
    for name, setting in SETTINGS.items():
        one = given.get(name)
        if one is None or not one.value:
            rows.append((name.upper(), setting.metadata["default"], "default"))
            continue
        value = "***" if setting.type == "Secret" else _PASSWORD.sub(r"\1***", one.value)
        rows.append((name.upper(), value, f".env:{one.line}" if one.line else "environment"))
    routes = {name: _PASSWORD.sub(r"\1***", _ENVIRONMENT[name]) for name in network_variables()}
    return rows + [(name, value, "environment") for name, value in routes.items()]


def usable_settings() -> Settings:
    """The settings of this process, wrong ones with their defaults."""
    try:
        return load_settings()
    except SettingsError as error:
        return error.settings


def _parsed(name: str, given: _Given | None) -> Any:
    text = given.value if given else ""
    # A value that ends by one looks right on every screen, and header, path and SQL would carry it on.
    if found := _CONTROL.search(re.sub(r"[\t\n](?!\Z)", " ", text) if name in _OF_SEVERAL_LINES else text):
        kind = {"\r": "carriage return"}.get(found[0], "control character")
        raise ValueError(f"its value contains a {kind}, perhaps at its end: remove it")
    if given and given.line is None and re.fullmatch(r"(['\"]).*\1", text, re.DOTALL):
        raise ValueError("its value is in quotes, which Docker's --env-file keeps: remove them there")
    setting = SETTINGS[name].metadata
    keep = bool(text) or (setting["empty_counts"] and given is not None)
    return setting["parse"](text if keep else setting["default"])


def _where_to_correct(wrong: Mapping[str, str], given: Mapping[str, _Given], env_file: Path) -> str:
    if "" in wrong:
        return f"fix {env_file}; env.example shows the form"
    lines = sorted({line for name in wrong if name in given and (line := given[name].line)})
    outside = [name.upper() for name in wrong if name in given and given[name].line is None]
    steps = [f"correct line {', '.join(map(str, lines))} of {env_file}"] * bool(lines)
    steps += [f"correct or unset {', '.join(outside)} in the environment"] * bool(outside)
    return f"{'; '.join(steps)} (see env.example)"


def nearly_right(env_file: Path) -> dict[str, str]:
    """Names in the file that resemble a setting's, with the setting that was probably meant; others are ignored."""
    known = {name.upper() for name in SETTINGS}
    found = {name.upper() for name in _read_given(env_file, {})} - known
    return {name: close[0] for name in sorted(found) if (close := get_close_matches(name, known, 1, cutoff=0.73))}


def network_variables() -> list[str]:
    """The variables of this environment that choose the route and the trusted authorities of HTTP calls."""
    return sorted(name for name in _ENVIRONMENT if name.upper() in _NETWORK)

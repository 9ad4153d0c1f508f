"""``coins``: which coin and pair each symbol means, what is stored under it, and the two ways to change the coin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from adapters._bases.errors import ConfigurationError, EtlError
from adapters._bases.hourly_repository import StoredMeaning
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.files.choices import KnownPair, coin_choices, pair_choices
from adapters.files.locks import ProcessLock
from commands.screen import SHORT_WAIT_SECONDS, say, settings_with_log, show_table, tell
from configurations.config import Settings
from crons import MAIN_JOB
from crons.exits import DONE
from crons.resources import PATIENCE, Resources, has_no_database, interactive_timeouts, system_clock

_ACCEPTED = re.compile(r"(?P<symbol>[^:\s]+):(?P<id>[1-9][0-9]{0,9})")


def show() -> int:
    """Print a row for each symbol and coin, and where Binance was asked for each symbol and pair; the exit code.

    Raises:
        ConfigurationError: a setting is wrong.
        StateError: the choices cannot be read.
    """
    settings = interactive_timeouts(settings_with_log())
    stored, pairs, why_not = _stored(settings)
    rows = rows_of(dict(settings.symbols), coin_choices(settings.data_path).load(), stored, known=not why_not)
    show_table(("symbol", "id", "chosen", "name", "since", "until", "hours"), rows, no_color=bool(settings.no_color))
    if why_not:
        tell(f"what is stored is not known: {why_not}")
    kept = pair_choices(settings.data_path).load()
    if kept or pairs:
        say("")
        rows = rows_of_pairs(settings.pairs, kept, pairs)
        heads = ("symbol", "pair", "chosen", "prices in", "at Binance since (UTC)", "stored since", "until", "hours")
        show_table(heads, rows, no_color=bool(settings.no_color))
    return DONE


def rows_of_pairs(
    followed: Mapping[str, str], kept: Mapping[str, KnownPair], stored: Sequence[StoredMeaning]
) -> list[Sequence[str]]:
    """The rows of the table of pairs.

    Args:
        followed: symbol to its pair by the settings.
        kept: symbol to the pair that Binance was asked for.
        stored: what the database holds.
    """
    held = {(one.symbol, str(one.meaning)): one for one in stored}
    asked = {(symbol, pair.pair): pair for symbol, pair in kept.items()}
    rows: list[Sequence[str]] = []
    for symbol, name in sorted({*held, *asked, *followed.items()}):
        pair, one = asked.get((symbol, name)), held.get((symbol, name))
        how = "no" if followed.get(symbol) != name else "in use" if pair else "at the next run"
        known = (pair.quote, f"{pair.listed:%Y-%m-%d %H:%M}") if pair else ("", "")
        rows.append((symbol, name, how, *known, *((one.first, one.last, f"{one.hours:,}") if one else ("", "", ""))))
    return rows


def rows_of(
    followed: Mapping[str, int | None], kept: Mapping[str, int], stored: Sequence[StoredMeaning], *, known: bool
) -> list[Sequence[str]]:
    """The rows of the table.

    Args:
        followed: symbols of the settings to the ids given with them.
        kept: symbol to the id chosen for it.
        stored: what the database holds.
        known: whether it could be asked.
    """
    coins = {(coin.symbol, int(str(coin.meaning))): coin for coin in stored}
    chosen = {(symbol, cmc_id): "in use" if symbol in followed else "kept" for symbol, cmc_id in kept.items()}
    asked = {
        (symbol, cmc_id): "not confirmed"
        for symbol, cmc_id in followed.items()
        if cmc_id and kept.get(symbol) not in (None, cmc_id)
    }
    new = {(symbol, 0): "at the next run" for symbol in followed if symbol not in kept}
    how = {**chosen, **asked, **new}
    rows: list[Sequence[str]] = []
    for symbol, cmc_id in sorted({*coins, *how}):
        coin = coins.get((symbol, cmc_id))
        facts = (coin.label, coin.first, coin.last, f"{coin.hours:,}") if coin else ("", "" if known else "?", "", "")
        rows.append((symbol, str(cmc_id or ""), how.get((symbol, cmc_id), "no"), *facts))
    return rows


def reset(symbol: str) -> int:
    """Forget which coin a symbol means; the exit code. Idempotent.

    Raises:
        LockHeldError: a job is running.
        StateError: the choices cannot be read or written.
    """
    settings = settings_with_log()
    symbol = symbol.strip().upper()
    with _undisturbed(settings):
        choices = coin_choices(settings.data_path)
        kept = choices.load()
        before = kept.pop(symbol, None)
        if before is None:
            say(f"no coin is kept for {symbol}: nothing to forget")
            return DONE
        choices.save(kept)
    say(f"{symbol} no longer means id {before}: the next run looks it up, or takes the id that SYMBOLS gives")
    return DONE


def accept(entry: str) -> int:
    """Take an id for a symbol from now on, whatever is stored under it; the exit code. Idempotent.

    Raises:
        ConfigurationError: it is not ``SYMBOL:ID``.
        LockHeldError: a job is running.
        StateError: the choices cannot be read or written.
    """
    settings = settings_with_log()
    given = _ACCEPTED.fullmatch(entry.strip())
    if given is None:
        raise ConfigurationError(f"{entry!r} is not SYMBOL:ID", next_step="such as ./run.sh coins --accept BTC:1")
    symbol, cmc_id = given["symbol"].upper(), int(given["id"])
    with _undisturbed(settings):
        choices = coin_choices(settings.data_path)
        kept = choices.load()
        before = kept.get(symbol)
        choices.save({**kept, symbol: cmc_id})
    was = f", before id {before}" if before not in (None, cmc_id) else ""
    say(f"{symbol} means id {cmc_id}{was}, from the next run on; stored prices stay as they are")
    if dict(settings.symbols).get(symbol) not in (None, cmc_id):
        tell(f"SYMBOLS names another id for {symbol}: correct it to {symbol}:{cmc_id}")
    return DONE


def _undisturbed(settings: Settings) -> ProcessLock:
    """The job's lock: a run would write its own choices over these."""
    return ProcessLock(settings.data_path / "locks" / f"{MAIN_JOB}.lock", task="coins", clock=system_clock)


def _stored(settings: Settings) -> tuple[list[StoredMeaning], list[StoredMeaning], str]:
    """What is stored, and why that is not known; empty where it is."""
    if has_no_database(settings):
        return [], [], ""
    try:
        with Resources(
            settings, task="coins", clock=system_clock, wait_seconds=SHORT_WAIT_SECONDS, retry=PATIENCE
        ) as parts:
            coins = parts.repository(CoinMarketCapClickHouseAdapter).meanings()
            return coins, parts.repository(BinanceClickHouseAdapter).meanings(), ""
    except EtlError as error:
        return [], [], error.message

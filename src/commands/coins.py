"""``coins``: which coin and pair each symbol means, what is stored under it, and how to change the coin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from adapters._bases.errors import ConfigurationError, EtlError
from adapters._bases.hourly_table import StoredMeaning
from adapters._bases.tehran_time import hour_key
from adapters._bases.wording import listed
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.files.choices import coin_choices, pair_choices, twin_choices
from commands.screen import say, settings_with_log, show_table, tell
from commands.tables import undisturbed
from configurations.config import Settings, renamed_entry
from crons.exits import DONE
from crons.registry import MAIN_JOB
from crons.resources import Resources, has_no_database, interactive_timeouts, system_clock

_LARGEST = 10


def coins(*, reset: str, accept: str, rename: str, everything: bool) -> int:
    if sum(map(bool, (reset, accept, rename))) > 1:
        raise ConfigurationError(
            "these options exclude each other", next_step="give one of --reset, --accept and --rename"
        )
    if reset:
        return _choose(reset.strip().upper(), None)
    if accept:
        symbol, cmc_id = _both(accept, "ID", r"[1-9][0-9]{0,9}", "accept BTC:1")
        return _choose(symbol, int(cmc_id))
    if rename:
        return _rename(*_both(rename, "NEW", r"[^:\s]+", "rename SOL:SOLX"))
    settings = interactive_timeouts(settings_with_log())
    coins, pairs, largest, unknown = _stored(settings)
    rows = _coin_rows(settings, coins, unknown=bool(unknown))
    every = len(rows)
    if settings.top and not everything:
        shown = {*largest[:_LARGEST], *dict(settings.named)}
        rows = [row for row in rows if row[0] in shown]
        pairs = [pair for pair in pairs if pair.symbol in shown]
    show_table(("symbol", "id", "chosen", "name", "since", "until", "hours"), rows)
    if every > len(rows):
        say(f"{every - len(rows)} of {every} coins are hidden, {len(largest)} are in the list; --all shows every one")
    twins = twin_choices(settings.data_path).load()
    if others := [f"{symbol}:{one}" for symbol, ids in sorted(twins.items()) for one in ids]:
        say(f"not stored, because another coin has the ticker: {', '.join(others) if everything else listed(others)}")
    if unknown:
        tell(f"cannot read what is stored: {unknown}")
    if rows := _pair_rows(settings, pairs):
        say("")
        heads = ("symbol", "pair", "chosen", "prices in", "at Binance since (UTC)", "stored since", "until", "hours")
        show_table(heads, rows)
    return DONE


def _stored(settings: Settings) -> tuple[list[StoredMeaning], list[StoredMeaning], list[str], str]:
    """The stored coins and pairs, the list of the last day, and why they are unknown, empty if they are known."""
    if has_no_database(settings):
        return [], [], [], ""
    try:
        with Resources(settings, task="coins", briefly=True) as resources:
            table = resources.repository(CoinMarketCapClickHouseAdapter)
            largest = list(table.listed(since=hour_key(system_clock() - timedelta(days=1))))
            return table.meanings(), resources.repository(BinanceClickHouseAdapter).meanings(), largest, ""
    except EtlError as error:
        return [], [], [], error.message


def _coin_rows(settings: Settings, stored: Sequence[StoredMeaning], *, unknown: bool) -> list[Sequence[str]]:
    followed, kept = dict(settings.named), coin_choices(settings.data_path).load()
    coins = {(coin.symbol, int(str(coin.meaning))): coin for coin in stored}
    chosen = {(symbol, cmc_id): "in use" if symbol in followed else "kept" for symbol, cmc_id in kept.items()}
    for symbol, cmc_id in followed.items():
        if symbol not in kept:
            chosen[symbol, 0] = "at the next run"
        elif cmc_id not in (None, kept[symbol]):
            chosen[symbol, cmc_id] = "not confirmed"
    rows: list[Sequence[str]] = []
    for key in sorted({*coins, *chosen}):
        (symbol, cmc_id), coin = key, coins.get(key)
        name, span = (coin.label, _span(coin)) if coin else ("", ("?" if unknown else "", "", ""))
        rows.append((symbol, str(cmc_id or ""), chosen.get(key, "no"), name, *span))
    return rows


def _pair_rows(settings: Settings, stored: Sequence[StoredMeaning]) -> list[Sequence[str]]:
    """The rows of the table of pairs; none if Binance was never asked for any."""
    followed, kept = settings.pairs, pair_choices(settings.data_path).load()
    pairs = {(one.symbol, str(one.meaning)): one for one in stored}
    asked = {(symbol, pair.pair): pair for symbol, pair in kept.items()}
    rows: list[Sequence[str]] = []
    for key in sorted({*pairs, *asked, *followed.items()}) if pairs or asked else ():
        pair, one = asked.get(key), pairs.get(key)
        chosen = "no" if key not in followed.items() else "in use" if pair else "at the next run"
        known = (pair.quote, f"{pair.listed:%Y-%m-%d %H:%M}") if pair else ("", "")
        rows.append((*key, chosen, *known, *(_span(one) if one else ("", "", ""))))
    return rows


def _span(one: StoredMeaning) -> tuple[str, str, str]:
    return one.first, one.last, f"{one.hours:,}"


def _both(entry: str, name: str, pattern: str, example: str) -> tuple[str, str]:
    given = re.fullmatch(rf"([^:\s]+):({pattern})", entry.strip().upper())
    if given is None:
        raise ConfigurationError(f"{entry!r} is not SYMBOL:{name}", next_step=f"such as ./run.sh coins --{example}")
    return given[1], given[2]


def _choose(symbol: str, cmc_id: int | None) -> int:
    """Keep another id, or none. The job is locked out: it would restore its own choice."""
    settings = settings_with_log(writes=True)
    with undisturbed(settings, "coins", jobs=[MAIN_JOB]):
        choices = coin_choices(settings.data_path)
        kept = choices.load()
        before = kept.pop(symbol, None)
        if before != cmc_id:
            choices.save(kept if cmc_id is None else {**kept, symbol: cmc_id})
    if cmc_id:
        was = f", before id {before}" if before not in (None, cmc_id) else ""
        say(f"{symbol} means id {cmc_id}{was}, from the next run on; stored prices stay as they are")
        if dict(settings.named).get(symbol) not in (None, cmc_id):
            tell(f"SYMBOLS names another id for {symbol}: correct it to {symbol}:{cmc_id}")
    elif before:
        say(f"{symbol} no longer means id {before}: the next run looks it up, or takes the id in SYMBOLS")
    else:
        say(f"no coin is kept for {symbol}: nothing to forget")
    return DONE


def _rename(symbol: str, new: str) -> int:
    settings = settings_with_log(writes=True)
    choices = coin_choices(settings.data_path)
    with undisturbed(settings, "coins", jobs=[MAIN_JOB]) as resources:
        table, kept = resources.repository(CoinMarketCapClickHouseAdapter), choices.load()
        stored = {one.symbol: int(str(one.meaning)) for one in table.meanings([symbol, new])}  # the latest
        cmc_id = kept.get(symbol, stored.get(symbol))
        other = kept.get(new, stored.get(new, cmc_id))
        if cmc_id is None or other != cmc_id:
            found = f"{new} means id {other}" if cmc_id else f"no coin is known as {symbol}"
            raise ConfigurationError(f"{found}; nothing was renamed", next_step="./run.sh coins shows what is known")
        table.rename(symbol, new, cmc_id)
        choices.save({name: kept[name] for name in kept if name != symbol} | {new: cmc_id})
    say(f"id {cmc_id} is {new} now, before {symbol}; its prices are in the views under {new}")
    say(f"now set {renamed_entry(settings.symbols, {symbol: (new, cmc_id)})}")
    return DONE

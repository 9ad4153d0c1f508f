"""The price of each symbol at each Tehran hour: from CoinMarketCap into ``crypto_prices``."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial

import structlog

from adapters._bases.errors import EtlError, SourceRejected
from adapters._bases.tehran_time import HOUR, hour_key, hour_start
from adapters._bases.wording import counted, listed
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CoinMarketCapClickHouseAdapter
from adapters.files.choices import coin_choices, twin_choices
from adapters.http.coin_market_cap_http_adapter import KEY_HEADER, USE_A_KEY, CoinMarketCapHttpAdapter, reach_of
from configurations.config import renamed_entry
from crons.backfill import Past
from crons.inspection import finding
from crons.job import Finding, Job, JobContext
from crons.resources import PATIENCE
from extractors.coin_market_cap_extractor import extract_historical, extract_latest, extract_listed
from extractors.coin_market_cap_parser import Coin, Parsed, Quote
from extractors.coin_market_cap_plan import MAX_IDS, HistoricalCall, credits_of, plan_calls, within_credits
from extractors.coin_market_cap_resolver import beginnings, misnamed, resolve_coins
from loaders.coin_market_cap_loader import CoinMarketCapLoader
from transformers.coin_market_cap_transformer import latest_batch, past_batch
from transformers.coverage import Batch, Hours

# The smallest plan reaches a month back; the shortest month.
_SHORTEST_REACH = timedelta(days=28)
# How long a coin that has left the list is fetched: the view crypto_prices_absences has the same rule.
_STAYS = timedelta(hours=24)

log = structlog.get_logger(__name__)


async def run(ctx: JobContext) -> None:
    """Store the present hour's price of each symbol. Idempotent: a later run in the hour updates its rows.

    A price belongs to the hour in which its answer came. Symbols without a coin, and coins without a valid quote, are
    reported, and cost the others nothing.
    """
    async with open_source(ctx) as source:
        coins = await _resolved(ctx, source)
        ctx.step("asking CoinMarketCap for the latest quotes")
        answer = await _latest(ctx, source, coins)
    stale_after = timedelta(hours=ctx.settings.stale_after_hours)
    batch = latest_batch(answer, now=ctx.now(), run_id=ctx.run_id, stale_after=stale_after)
    ctx.report.note(batch)
    ctx.report.failures.extend(_without_price(ctx, coins, answer.quotes, {row.symbol for row in batch.rows}))
    await CoinMarketCapLoader(ctx).load(batch.rows)


async def _latest(ctx: JobContext, source: CoinMarketCapHttpAdapter, named: Sequence[Coin]) -> Parsed:
    """The quotes of the list of the largest coins, and in a second call those of the coins that are not in it."""
    report, members, of_list = ctx.report, list[Coin](), Parsed([], [])
    if ctx.settings.top:
        try:
            members, of_list = await _listed(ctx, source)
        except EtlError as error:
            if not named:
                raise
            report.failures.append(error.message)
    asked = await _beside(ctx, named, members)
    report.hours_asked = len(members) + len(asked)
    try:
        answer, missing, failures = await extract_latest(source, asked, clock=ctx.now)
    except EtlError as error:
        if not members:
            raise
        answer, missing, failures = Parsed([], []), [], [error]
    report.failures.extend(failure.message for failure in failures)
    report.without_quote = len(missing)
    if missing:
        report.missing.append(listed(list(map(str, missing))))
    # A named coin is expected for its name, also while the list holds it.
    own = {coin.symbol for coin in named if coin in members}
    quotes = [one._replace(endpoint="latest") if one.symbol in own else one for one in of_list.quotes]
    return Parsed([*quotes, *answer.quotes], [*of_list.rejects, *answer.rejects])


async def _beside(ctx: JobContext, named: Sequence[Coin], members: Collection[Coin]) -> list[Coin]:
    """The coins to ask for beside those of the list: the others that are named, and those that have just left it."""
    left: list[Coin] = []
    if members:
        try:
            left = await _held_since(ctx, ctx.started - _STAYS, {*named, *members})
        except EtlError as error:
            log.warning("coins that left the list unknown", reason=error.message)
    # One that is in the list under another ticker was renamed.
    ids = {coin.cmc_id for coin in members}
    return [coin for coin in named if coin not in members] + [coin for coin in left if coin.cmc_id not in ids]


async def _listed(ctx: JobContext, source: CoinMarketCapHttpAdapter) -> tuple[list[Coin], Parsed]:
    """The largest coins. What a new ticker means is kept for good; another coin with one ticker is named once."""
    choices, known = coin_choices(ctx.settings.data_path), twin_choices(ctx.settings.data_path)
    kept, before = choices.load(), known.load()
    coins, others, answer = await extract_listed(source, ctx.settings.top, kept=kept, clock=ctx.now)
    meant = {**dict(coins), **kept}
    if meant != kept:
        choices.save(meant)
    twins = {ticker: sorted({*before.get(ticker, ()), *ids}) for ticker, ids in others.items()}
    if new := [f"{ticker}:{one}" for ticker, ids in twins.items() for one in ids if one not in before.get(ticker, ())]:
        known.save({**before, **twins})
        why = "not stored, because another coin has the ticker"
        ctx.report.warnings.append(f"{why}: {listed(new)}; ./run.sh coins lists them")
    return coins, answer


async def _held_since(ctx: JobContext, since: datetime, known: Collection[Coin]) -> list[Coin]:
    """The coins that a list held since then, but for the symbols of known coins."""
    symbols = {coin.symbol for coin in known}
    held = await asyncio.to_thread(ctx.repository.listed, since=hour_key(since))
    return [Coin(symbol, cmc_id) for symbol, cmc_id in held.items() if symbol not in symbols]


async def backfill(ctx: JobContext, past: Past) -> None:
    """Ask for past hours, as far as the credits go; the highest cost is known before the first call.

    A heal skips calls beyond the plan's reach; a backfill ends with the first one.
    """
    async with open_source(ctx) as source:
        ctx.step("asking CoinMarketCap for the key's plan")
        credits_left = (await source.key_info()).credits_left
        coins = await _expected_coins(ctx, past, await _resolved(ctx, source))
        ids = dict(coins)
        wanted = await past.wanted(ids)
        every = _plan(ids, wanted)
        known = "not known" if credits_left is None else credits_left
        past.estimate(len(every), credits=credits_of(every), credits_left=known)
        calls, spare = _affordable(ctx, past, every, credits_left)
        asked = partial(_asked, coins, wanted)

        async def ask(call: HistoricalCall) -> Batch:
            answer = await extract_historical(source, call, coins)
            return past_batch(answer, asked(call), now=ctx.now(), run_id=ctx.run_id)

        try:
            if ctx.request.dry_run:
                await _rehearse(ctx, past, source, calls, asked)
                return
            if calls != every:
                ctx.report.hours_asked = sum(len(hours) for call in calls for hours in asked(call).values())
            again = [lambda *halves: within_credits(_plan(ids, *halves), spare)]
            await past.fill(calls, ask, asked=asked, again=again, begins=partial(beginnings, source, coins))
            # A coin without any price is perhaps not the symbol's.
            unpriced = [coin for coin in coins if coin.symbol in wanted and past.gave_nothing(coin.symbol)]
            ctx.report.failures.extend(await misnamed(source, unpriced))
        except SourceRejected as error:
            _name_reach(ctx, past, error)
            raise


def _plan(ids: Mapping[str, int], *parts: Mapping[str, Hours]) -> list[HistoricalCall]:
    wanted = [{ids[symbol]: hours.values() for symbol, hours in part.items()} for part in parts]
    return [call for part in wanted for call in plan_calls(part)]


def _asked(coins: Iterable[Coin], wanted: Mapping[str, Hours], call: HistoricalCall) -> dict[str, Hours]:
    """Symbol to the wanted hours that a call is for."""
    ids, start, end = set(call.ids), call.start, call.end
    return {
        coin.symbol: {key: at for key, at in wanted.get(coin.symbol, {}).items() if start <= at < end}
        for coin in coins
        if coin.cmc_id in ids
    }


async def _expected_coins(ctx: JobContext, past: Past, named: Sequence[Coin]) -> list[Coin]:
    """The named coins, and those of the list: for a heal all that it held in these hours, else of the last day."""
    if not ctx.settings.top:
        return list(named)
    since = past.starts[0] if past.only_missing else ctx.started - _STAYS
    members = await _held_since(ctx, since, named)
    if not members and not named:
        step = f"./run.sh cron_run {ctx.name} stores one"
        raise SourceRejected(f"no list of the top {ctx.settings.top} is stored since {hour_key(since)}", next_step=step)
    log.info("coins", top=ctx.settings.top, listed_since=hour_key(since), members=len(members), named=len(named))
    return [*named, *members]


@asynccontextmanager
async def open_source(ctx: JobContext) -> AsyncIterator[CoinMarketCapHttpAdapter]:
    """CoinMarketCap's API, with the key or keyless; the credits used are counted even if the run fails."""
    settings, key = ctx.settings, ctx.settings.cmc_api_key.value
    log.info("source", reads=settings.cmc_base_url, symbols=len(settings.symbols))
    if not key:
        log.info("no CMC_API_KEY: the keyless public API is asked, which limits its callers by their address")
    async with ctx.resources.http("CMC_BASE_URL", {KEY_HEADER: key} if key else {}) as http:
        source = CoinMarketCapHttpAdapter(http=http, clock=ctx.now, keyless=not key)
        try:
            yield source
        finally:
            ctx.report.credits = source.credits_used


async def check(ctx: JobContext) -> Finding:
    """Whether CoinMarketCap answers and the key is valid, with its plan and the credits left; free of charge."""
    async with open_source(ctx) as source:
        if not ctx.settings.cmc_api_key:
            await source.coin_map(["BTC"])
            found = "no CMC_API_KEY: the keyless public API answers, and serves the hourly run"
            step = "set CMC_API_KEY in .env for backfills and a rate limit of your own"
            return Finding("CoinMarketCap", "warn", found, step)
        info = await source.key_info()
    left, limit = info.credits_left, info.credit_limit_monthly
    known = "CoinMarketCap does not say how many credits are left"
    if left is not None:
        of_all = limit is not None and limit >= left
        known = f"{left:,} of {limit:,} credits left" if of_all else f"{counted(left, 'credit')} left"
    calls = "" if info.requests_per_minute is None else f"{counted(info.requests_per_minute, 'call')} a minute"
    reset = f"credits reset: {info.reset}" if info.reset else ""
    found = f"key valid: {', '.join(filter(None, [known, calls, reset]))}"
    if left == 0:
        return Finding("CoinMarketCap", "fail", found, "wait for the reset, or use a higher plan")
    return Finding("CoinMarketCap", "ok", found)


async def check_symbols(ctx: JobContext) -> Finding:
    """Whether each symbol has a coin that CoinMarketCap lists under it; free of charge, and keeps nothing."""
    async with open_source(ctx) as source:
        coins = await _resolved(ctx, source, keep=False)
        lines = [*ctx.report.failures, *await misnamed(source, coins)]
    if not lines:
        said = [f"{counted(len(coins), 'symbol')} can be followed"] if coins else []
        if top := ctx.settings.top:
            cost = counted(-(-top // MAX_IDS), "credit")
            said.append(f"top:{top} costs {cost} an hour, 1 more with a coin that the list does not hold")
        return Finding("symbols", "ok", "; ".join(said))
    return finding("symbols", lines, "correct SYMBOLS; for a renamed coin ./run.sh cron_run names the command")


async def _resolved(ctx: JobContext, source: CoinMarketCapHttpAdapter, *, keep: bool = True) -> list[Coin]:
    """The coins of the settings. A symbol without one is a failure of the run, and an error if there is no other."""

    def stored(symbols: Sequence[str]) -> dict[str, int] | None:
        try:
            coins = replace(ctx.repository, retry=PATIENCE).meanings(symbols)
        except EtlError as error:
            log.warning("stored coins unknown", reason=error.message)
            return None
        latest_last = sorted(coins, key=lambda coin: (coin.last, coin.first))
        return {coin.symbol: int(str(coin.meaning)) for coin in latest_last}

    ctx.step("asking CoinMarketCap which coins are meant")
    choices = coin_choices(ctx.settings.data_path)
    coins, complaint = await resolve_coins(source, choices, ctx.settings.named, stored=stored, keep=keep)
    if complaint is not None:
        if not coins and not ctx.settings.top:
            raise complaint
        ctx.report.failures.append(f"{complaint.message}: {complaint.next_step}")
    return coins


def _without_price(
    ctx: JobContext, coins: Iterable[Coin], quotes: Iterable[Quote], stored: Collection[str]
) -> Iterator[str]:
    """Which of the coins get no price; and for those with a new ticker, what keeps their series together."""
    called = {quote.symbol: (quote.source_symbol.upper(), quote.cmc_id) for quote in quotes}
    renamed = {symbol: new for symbol, new in called.items() if new[0] != symbol}
    if renamed:
        commands = "; ".join(f"./run.sh coins --rename {symbol}:{new}" for symbol, (new, _) in renamed.items())
        entry = renamed_entry(ctx.settings.symbols, renamed)
        yield f"CoinMarketCap has another ticker for {listed(list(renamed))}: {commands}; then set {entry}"
    lacking = [str(coin) for coin in coins if coin.symbol not in {*stored, *renamed}]
    if lacking and stored:  # without any price the run fails anyway
        yield f"no price of {listed(lacking)}"


def _affordable(
    ctx: JobContext, past: Past, calls: Sequence[HistoricalCall], credits_left: int | None
) -> tuple[Sequence[HistoricalCall], float]:
    """The calls that --max-credits allows and, for a heal, the key's credits; a backfill beyond those is refused."""
    most, left = (math.inf if limit is None else limit for limit in (ctx.request.max_credits, credits_left))
    limit = min(most, left) if past.only_missing else most
    chosen = within_credits(calls, limit)
    cost, every = credits_of(chosen), credits_of(calls)
    if cost > left:
        raise SourceRejected(
            f"a backfill would cost about {counted(cost, 'credit')}, and {left:,} are left; nothing was spent",
            next_step="ask for fewer hours or symbols, or wait for the plan's next period",
        )
    if chosen != calls:
        of_key = f"the key's {left} remaining credits, see `./run.sh check`"
        limited = f"--max-credits {most}" if limit == most else of_key
        hours = (hour_start(ctx.started).astimezone(timezone.utc) - past.starts[0]) // HOUR
        ctx.report.warnings.append(
            f"{every - cost:,} of {every:,} credits' worth of hours are left out by {limited}; "
            f"`./run.sh cron_heal {ctx.name} {hours} --max-credits {every}` fetches those that are still missing"
        )
    return chosen, min(most, left) - cost


async def _rehearse(
    ctx: JobContext,
    past: Past,
    source: CoinMarketCapHttpAdapter,
    calls: Sequence[HistoricalCall],
    asked: Callable[[HistoricalCall], Mapping[str, Hours]],
) -> None:
    """Note the calls that CoinMarketCap would refuse, as far as it says so for free; raises if the run would fail."""
    first = min((call.start for call in calls), default=ctx.started)
    if ctx.started - first < _SHORTEST_REACH or (error := await source.refusal_beyond_reach(first - HOUR)) is None:
        return
    limit = reach_of(error)
    refused = [call for call in calls if limit is None or call.asked_from < limit]
    if not past.only_missing or len(refused) == len(calls):
        raise error
    for call in refused:
        past.note_refused(asked(call), error)


def _name_reach(ctx: JobContext, past: Past, error: SourceRejected) -> None:
    """Add to a refusal of hours beyond the plan's reach the command for those within; any other stays as it is.

    An hour that goes out of reach before the present hour is over does not count: the command is given a bit later.
    """
    if (limit := reach_of(error)) is None:
        return
    limit += hour_start(ctx.started) + HOUR - ctx.started
    reached = [start for start in past.starts if start - HOUR > limit]
    error.message += f"; {len(reached):,} of the {len(past.starts):,} hours are in reach"
    hours = str(len(reached))
    if reached and ctx.request.first is not None:
        end = reached[-1].astimezone(timezone.utc) + HOUR
        hours = f"--from '{hour_key(reached[0])[:16]}' --to '{hour_key(end)[:16]}'"
    if reached:
        error.next_step = f"./run.sh cron_{ctx.kind} {ctx.name} {hours} fetches those; a higher plan reaches further"


JOB = Job(
    summary="the price of each symbol, hourly, from CoinMarketCap",
    source="CoinMarketCap",
    repository=CoinMarketCapClickHouseAdapter,
    run=run,
    check=check,
    check_symbols=check_symbols,
    backfill=backfill,
    followed=lambda settings: dict(settings.named),
    members=lambda _settings, coins: coins,
    past_key=("CMC_API_KEY", USE_A_KEY),
)

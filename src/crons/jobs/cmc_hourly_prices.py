"""The price of each symbol at each Tehran hour: from CoinMarketCap into ``crypto_prices``."""

from __future__ import annotations

from adapters.clickhouse.coin_market_cap_clickhouse_adapter import (
    CRYPTO_PRICES,
    CoinMarketCapClickHouseAdapter,
    PriceRow,
)
from adapters.http.coin_market_cap_http_adapter import CoinMarketCapHttpAdapter
from crons.job import HourlyJob, RunContext
from crons.jobs.cmc_backfill import backfill
from crons.jobs.cmc_heal import heal
from crons.jobs.cmc_inspection import followed, read_series, verify
from crons.jobs.cmc_parts import KEY, NotStored, check_source, open_source, opened
from crons.reason_groups import listed
from extractors.coin_market_cap_extractor import extract_latest


async def fetch(run: RunContext, source: CoinMarketCapHttpAdapter) -> list[PriceRow]:
    """The rows of the present hour; what else the answers held goes into the report.

    A quote belongs to the hour in which its answer came, which after a long wait for the source may be another one
    than the run began in.

    Raises:
        EtlError: the source failed, or none of the symbols has an active coin.
    """
    report = run.report
    async with opened(run, source) as pipeline:
        run.step("asking CoinMarketCap which coins are meant")
        coins = (found := await pipeline.resolve()).coins
        if (complaint := found.complaint()) is not None:
            if not coins:
                raise complaint
            # The other symbols' hour could perhaps never be had again.
            report.failures.append(f"{complaint.message}: {complaint.next_step}")
        run.step("asking CoinMarketCap for the latest quotes")
        report.hours_asked = len(coins)
        extraction = await extract_latest(source, coins, clock=run.clock)
        transformed = pipeline.transformer().latest(extraction.quotes)
    report.without_quote = len(extraction.missing)
    report.extracted = len(extraction.quotes)
    if extraction.missing:
        report.missing.append(listed([f"{coin.symbol} (id {coin.cmc_id})" for coin in extraction.missing]))
    not_stored = NotStored(report)
    not_stored.note_rejects(transformed.rejects, extraction.problems)
    not_stored.note_flaws(extraction.quotes, transformed.rows)
    not_stored.tell()
    report.failures.extend(failure.message for failure in extraction.failures)
    return transformed.rows


JOB = HourlyJob(
    summary="the price of each symbol, hourly, from CoinMarketCap",
    source="CoinMarketCap",
    table=CRYPTO_PRICES,
    open_source=open_source,
    fetch=fetch,
    repository=CoinMarketCapClickHouseAdapter,
    check=check_source,
    backfill=backfill,
    heal=heal,
    followed=followed,
    past_needs=KEY,
    charges=True,
    read_series=read_series,
    verify=verify,
)

"""Answers about past hours, stored as they come, and what the source has nothing for remembered."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Generic, NamedTuple, TypeVar

import structlog

from adapters._bases.errors import EtlError, StorageRejected, StorageUnavailable
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import Hole, HourlyRow
from crons.gaps import alike
from crons.job import RunContext
from crons.progress import Tally, progress
from crons.reason_groups import listed
from transformers.coverage import Hours

SETTLED_AFTER = timedelta(hours=3)
"""The age of an hour from which a missing quote is remembered: a younger one may still come."""

CallT = TypeVar("CallT")
AnswerT = TypeVar("AnswerT")

log = structlog.get_logger(__name__)


class Taken(NamedTuple):
    """What came of one answer.

    Attributes:
        rows: to store, of the hours that were asked for.
        refused: (symbol, hour key) of what the source gave and the program does not store.
        unread: symbols of which something in the answer could not be read, so that it shows no hole.
    """

    rows: Sequence[HourlyRow]
    refused: Collection[tuple[str, str]] = ()
    unread: Collection[str] = ()


class Filling(ABC, Generic[CallT, AnswerT]):
    """Stores answers about past hours some thousand rows at a time, so that memory does not grow with the hours.

    A source says, by the abstract methods, what its calls ask for and what its answers hold.

    Args:
        run: the run.
        prices: the table.

    Attributes:
        answered: the calls whose answers were taken.
        rows_a_load: so many rows are stored at once; rows of many months at once take memory.
    """

    rows_a_load: ClassVar[int] = 20_000

    def __init__(self, run: RunContext, prices: HourlyRepository) -> None:
        self._run = run
        self._prices = prices
        self.answered: list[CallT] = []
        self._new_holes: list[Hole] = []
        self._missing: dict[str, list[datetime]] = {}

    @abstractmethod
    def asked(self, call: CallT) -> Mapping[str, Hours]:
        """Symbol to those of the wanted hours that a call asks for."""

    @abstractmethod
    def call_of(self, answer: AnswerT) -> CallT:
        """The call that an answer is to."""

    @abstractmethod
    def take(self, answer: AnswerT, asked: Mapping[str, Hours]) -> Taken:
        """What of an answer is stored; what is not is noted for `tell`.

        Args:
            answer: of the source.
            asked: what `asked` says of its call.
        """

    @abstractmethod
    def hole(self, symbol: str, hour: str) -> Hole:
        """The note of an hour, by its key, that the source has nothing for."""

    @abstractmethod
    def tell(self) -> None:
        """Put what was not stored into the report; once, at the end."""

    async def fill(self, answers: AsyncIterator[AnswerT], calls: Sequence[CallT]) -> None:
        """Take every answer; what came before an error is stored too, and until it is, it is in the spool.

        Raises:
            EtlError: the source, the database or the disk failed.
        """
        try:
            await self._keep_all(answers, calls)
            await self._store()
        except (StorageUnavailable, StorageRejected):
            raise
        except EtlError:
            await self._store_as_well()
            raise
        finally:
            self.tell()
            for symbols, ranges in alike(self._missing).items():
                hours = len(self._missing[symbols[0]])
                self._run.report.missing.append(f"{listed(list(symbols))}: {hours} h: {ranges}")

    async def _keep_all(self, answers: AsyncIterator[AnswerT], calls: Sequence[CallT]) -> None:
        """Put each answer's rows into the spool as it comes, for an end by a signal or a limit unwinds nothing."""
        run = self._run
        step = f"asking {run.job.source} for past quotes, {len(calls)} calls"
        total = sum(len(hours) for call in calls for hours in self.asked(call).values())
        run.report.hours_asked += total
        done, rows_kept, coins = 0, 0, set[str]()
        tally = Tally(
            run.clock,
            counted="coin_hours",
            more=lambda: {"calls": f"{len(self.answered)} of {len(calls)}", "coins": len(coins), "rows": rows_kept},
            least=0,
        )
        run.step(step)
        with progress(tally, no_color=bool(run.parts.settings.no_color)) as advance:
            async for answer in answers:
                call = self.call_of(answer)
                asked = self.asked(call)
                rows = self._taken(answer, asked)
                await run.loader.keep(rows)
                self.answered.append(call)
                if run.loader.kept >= self.rows_a_load:
                    await self._store()
                    run.step(step)
                coins.update(asked)
                rows_kept += len(rows)
                done += sum(map(len, asked.values()))
                advance("asking", done, total)

    async def _store_as_well(self) -> None:
        """Store what came before an error; if that fails too, the first error is the news."""
        try:
            await self._store()
        except EtlError as error:
            log.warning("what was fetched could not be stored either", reason=error.message)

    def _taken(self, answer: AnswerT, asked: Mapping[str, Hours]) -> Sequence[HourlyRow]:
        """The rows of one answer; what it lacks is noted."""
        taken = self.take(answer, asked)
        given = {(row.symbol, f"{row.fetched_at[:13]}:00:00") for row in taken.rows}
        for symbol, hours in asked.items():
            missing = {key: start for key, start in hours.items() if (symbol, key) not in given}
            self._note_missing(symbol, missing)
            if symbol not in taken.unread:
                holes = {key: start for key, start in missing.items() if (symbol, key) not in taken.refused}
                self._note_holes(symbol, holes)
        return taken.rows

    def _note_missing(self, symbol: str, missing: Hours) -> None:
        self._run.report.without_quote += len(missing)
        if missing:
            self._missing.setdefault(symbol, []).extend(missing.values())

    def _note_holes(self, symbol: str, holes: Hours) -> None:
        settled = [key for key, start in holes.items() if self._run.now - start >= SETTLED_AFTER]
        self._new_holes.extend(self.hole(symbol, key) for key in settled)

    async def _store(self) -> None:
        await self._run.store_kept()
        found, self._new_holes = self._new_holes, []
        try:
            await asyncio.to_thread(self._prices.note_holes, found)
        except EtlError as error:
            self._run.report.warnings.append(f"{len(found)} hours without a quote are not remembered: {error.message}")

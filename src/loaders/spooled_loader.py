"""Storable rows into a table: spool first, then upsert, then remove from the spool."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from adapters._bases.errors import EtlError, InvalidRowError, StateError
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import HourlyRow
from adapters._bases.upsert import UpsertReport
from adapters.files.spool import Batch, Spool
from loaders.sound_rows import store_sound


class LoadReport(NamedTuple):
    """What a load did.

    Attributes:
        replayed: rows of earlier runs from the spool.
        set_aside: damaged spool files, each as ``path: reason``.
        left: why spool files could be neither set aside nor removed; the rows of those that can be read are stored.
    """

    stored: UpsertReport = UpsertReport()
    replayed: UpsertReport = UpsertReport()
    set_aside: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def plus(self, other: LoadReport) -> LoadReport:
        """The sum of both."""
        stored, replayed = self.stored.plus(other.stored), self.replayed.plus(other.replayed)
        return LoadReport(stored, replayed, self.set_aside + other.set_aside, self.left + other.left)


log = structlog.get_logger(__name__)


class SpooledLoader:
    """Loads rows so that nothing fetched is lost and nothing is doubled. Idempotent.

    The database is opened only once the rows are in the spool, so a dead one never costs a fetched hour. The methods
    that use it may raise `StorageUnavailable` and `StorageRejected`; rows that are not stored stay in the spool.
    """

    def __init__(self, *, repository: HourlyRepository, spool: Spool) -> None:
        self._repository = repository
        self._spool = spool
        self._ready = False
        self._kept: dict[Path, Sequence[HourlyRow]] = {}
        self._left: set[Path] = set()
        self._stored_early = LoadReport()

    @property
    def kept(self) -> int:
        """How many rows are in the spool by `keep` and not stored yet."""
        return sum(map(len, self._kept.values()))

    async def ensure_ready(self) -> None:
        """Make the database, table and view if they are missing. Idempotent."""
        if not self._ready:
            await asyncio.to_thread(self._repository.ensure_ready)
            self._ready = True

    async def load(self, rows: Sequence[HourlyRow]) -> LoadReport:
        """Store the rows: `keep` them, then `store_kept`."""
        await self.keep(rows)
        return await self.store_kept()

    async def keep(self, rows: Sequence[HourlyRow]) -> None:
        """Put rows into the spool for `store_kept`. They are on the disk before anything is awaited.

        Whatever fails after this, a later load stores them. If the spool cannot be written, what is in it is stored
        first, which makes room, and they are put again; if that fails too, they go to the database without it before
        the error is raised.

        Raises:
            StateError: the spool cannot be written; the message also says where the database failed as well.
        """
        if not rows:
            return
        try:
            self._put(rows)
        except StateError as error:
            log.warning("the spool cannot be written: what is in it is stored first", reason=error.message)
            await self._keep_after_the_others(rows)

    async def store_kept(self) -> LoadReport:
        """Store what is kept, by one upsert, after what earlier runs left, oldest first.

        A spool file that cannot be read, set aside or removed is named in the report and stops none of the others, and
        so is a spool that cannot be read at all.

        Raises:
            StorageUnavailable: the database does not answer; what is not stored stays in the spool, and kept.
            StorageRejected: the database refuses; likewise.
        """
        report, self._stored_early = self._stored_early, LoadReport()
        try:
            waiting = [path for path in self._spool.waiting() if path not in self._left | self._kept.keys()]
        except StateError as error:
            waiting, report = [], report.plus(LoadReport(left=(error.message,)))
        if waiting or self._kept:
            await self._warn_of_stuck_mutations()
            await self.ensure_ready()
        for path in waiting:
            report = report.plus(await self._replay(path))
        return report.plus(await self._store_own()) if self._kept else report

    def _put(self, rows: Sequence[HourlyRow]) -> None:
        self._kept[self._spool.put(self._repository.table.given, map(tuple, rows))] = rows

    async def _keep_after_the_others(self, rows: Sequence[HourlyRow]) -> None:
        """Store what is in the spool, then put the rows: older ones reach the table before younger."""
        try:
            self._stored_early = await self.store_kept()
        except EtlError as error:
            try:
                self._put(rows)
            except StateError as spool_error:
                raise _lost(rows, spool_error, error) from error
            raise
        try:
            self._put(rows)
        except StateError as error:
            await self._store_unspooled(rows, error)
            error.next_step = f"{error.next_step}; what it did not take is in the database all the same"
            raise

    async def _store_unspooled(self, rows: Sequence[HourlyRow], spool_error: StateError) -> None:
        """Store rows that the spool did not take, after all that waits in it.

        Raises:
            StateError: the database did not take them either.
        """
        log.warning("the rows go to the database without the spool", reason=spool_error.message)
        try:
            await self.ensure_ready()
            _, refused = await store_sound(self._repository, rows)
        except EtlError as error:
            raise _lost(rows, spool_error, error) from error
        for reason in refused:
            log.warning("a row that the table cannot take is lost", reason=reason)

    async def _warn_of_stuck_mutations(self) -> None:
        """Log stuck mutations before this loader's first write, which they may block."""
        if self._ready:
            return
        for mutation in await asyncio.to_thread(self._repository.stuck_mutations):
            log.warning("a mutation is stuck and may block this run's updates", mutation=str(mutation))

    async def _store_own(self) -> LoadReport:
        """Store the kept batches together, or each by itself where the table cannot take a row of them."""
        damages: dict[Path, str] = {}
        try:
            together = [row for batch in self._kept.values() for row in batch]
            stored = await asyncio.to_thread(self._repository.upsert_prices, together)
        except InvalidRowError:
            stored = UpsertReport()
            for path, batch in self._kept.items():
                part, refused = await store_sound(self._repository, batch)
                stored = stored.plus(part)
                if refused:
                    damages[path] = "; ".join(refused)
        kept, self._kept = self._kept, {}
        report = LoadReport(stored=stored)
        for path in kept:
            report = report.plus(self._settle(path, damages.get(path)))
        return report

    async def _replay(self, path: Path) -> LoadReport:
        """Load a spool file of an earlier run. A damaged one's sound records are loaded, and it is set aside."""
        batch = self._spool.read(path)
        replayed, refused = await store_sound(self._repository, self._rows(batch))
        damage = "; ".join(([batch.damage] if batch.damage else []) + refused) or None
        if damage is None:
            log.info("rows of an earlier run loaded from the spool", file=path.name, **replayed._asdict())
        return self._settle(path, damage).plus(LoadReport(replayed=replayed))

    def _settle(self, path: Path, damage: str | None) -> LoadReport:
        """Remove a file whose rows are stored, or set a damaged one aside."""
        try:
            if damage is None:
                self._spool.remove(path)
                return LoadReport()
            target = self._spool.set_aside(path, damage)
        except StateError as error:
            self._left.add(path)
            log.warning("spool file left where it is", file=str(path), reason=error.message)
            return LoadReport(left=(error.message if damage is None else f"{error.message}; {damage}",))
        log.warning("spool file set aside", file=str(target), reason=damage)
        return LoadReport(set_aside=(f"{target}: {damage}",))

    def _rows(self, batch: Batch) -> list[HourlyRow]:
        """The records as rows, without columns that are no longer known, and with None for new ones."""
        return [self._repository.table.row(*map(record.get, self._repository.table.given)) for record in batch.records]


def _lost(rows: Sequence[HourlyRow], spool_error: StateError, error: EtlError) -> StateError:
    """The one error for rows that neither the spool nor the database took."""
    return StateError(
        f"{len(rows)} fetched rows are lost: {spool_error.message}, and the database did not take them either: "
        f"{error.message}",
        next_step=f"{spool_error.next_step}; {error.next_step or 'mend the database'}",
    )

"""Rows into a table: into the spool first, then an upsert by key, then out of the spool."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog

from adapters._bases.clickhouse_errors import is_about_size
from adapters._bases.errors import EtlError, InvalidRowError, StateError, StorageUnavailable
from adapters._bases.hourly_table import HourlyRow, Key, key_of
from adapters._bases.upsert import IncompleteWriteError, UpsertReport
from adapters._bases.wording import counted

if TYPE_CHECKING:
    from crons.job import JobContext

_ALL_REFUSED = "the database refused every row of a batch; the warnings say why"
# When ClickHouse refuses this many rows and accepts none, the others are not tried.
_ENOUGH = 8

log = structlog.get_logger(__name__)


class SpooledLoader:
    """Loads rows so that none is lost and none is stored twice. Idempotent. Counts them in the run's report.

    Rows are on disk before the database is opened: a database that is down costs no hour. A method that uses the
    database raises `StorageUnavailable` or `StorageRejected`; rows that are not stored stay in the spool, for this
    loader and for the next run.
    """

    def __init__(self, ctx: JobContext) -> None:
        self._repository, self._spool, self._report, self._step = ctx.repository, ctx.spool, ctx.report, ctx.step
        self._columns = ctx.repository.table.given
        self._ready = False
        self._kept: dict[Path, Sequence[HourlyRow]] = {}  # own batches that are not stored yet, by file
        self._left: set[Path] = set()  # files whose rows are stored and that cannot be moved
        self._held: dict[Key, Path] = {}  # rows that the database acknowledged and does not show, by file
        self._doubtful: dict[Path, StorageUnavailable] = {}  # batches that the database took nothing of
        self._took = False  # whether the database took anything else meanwhile

    @property
    def kept(self) -> int:
        """The number of rows that `keep` put into the spool and that are not stored yet."""
        return sum(map(len, self._kept.values()))

    async def ensure_ready(self) -> None:
        """Make the database, the table and its views if they are missing. Idempotent."""
        if not self._ready:
            await asyncio.to_thread(self._repository.ensure_ready)
            self._ready = True

    async def load(self, rows: Sequence[HourlyRow]) -> None:
        """Store rows: `keep`, then `store_kept`."""
        await self.keep(rows)
        await self.store_kept()

    async def keep(self, rows: Sequence[HourlyRow]) -> None:
        """Put rows into the spool. They are on disk before anything is awaited.

        If the spool cannot be written, its rows are stored first, which frees space; if that is not enough, the new
        rows are stored without it before the error is raised.

        Raises:
            StateError: the spool cannot be written.
        """
        if not rows:
            return
        try:
            self._put(rows)
        except StateError as error:
            log.warning("spool not writable, storing its rows first", reason=error.message)
            await self._keep_after_storing(rows)

    async def store_kept(self) -> None:
        """Store what earlier runs left in the spool, oldest first, then the kept rows by one upsert.

        A spool file that cannot be read, set aside or removed is reported and stops none of the others. A row that the
        database acknowledged and does not show is held: later runs update it once it is visible, and fail until then.
        """
        self._step(f"storing {counted(self.kept, 'row')}" if self.kept else "storing the rows in the spool")
        self._doubtful, self._took = {}, False
        rows = [row for batch in self._kept.values() for row in batch]
        earlier: list[Path] = []
        try:
            earlier = [path for path in self._spool.waiting() if path not in self._left | self._kept.keys()]
            self._held = {key_of(row): path for path in self._spool.held.waiting() for row in self._read(path)[0]}
        except StateError as error:
            log.warning("spool file not processed", reason=error.message)
        if earlier or rows or self._held:
            await self.ensure_ready()
        for path in earlier:
            stored = await self._store_file(path, *self._read(path))
            self._report.replayed += sum(stored)
            if any(stored):
                log.info("rows of an earlier run stored", file=path.name, **stored._asdict())
        own = {key_of(row) for row in rows}
        if held := [row for key, path in self._held.items() if key not in own for row in self._read(path)[0]]:
            self._report.replayed += sum((await self._store_sound(held))[0])
        if rows:
            await self._store_own(rows)
        for path, refusal in self._doubtful.items():
            if not self._took:
                raise refusal
            # The database took other rows, so these are to blame.
            self._settle(path, refusal.message)
            self._report.failures.append(f"{path.name}: {refusal.message}; next: {refusal.next_step}")

    def _put(self, rows: Sequence[HourlyRow]) -> None:
        self._kept[self._spool.put(self._columns, map(tuple, rows))] = rows

    async def _keep_after_storing(self, rows: Sequence[HourlyRow]) -> None:
        failure = await _failure_of(self.store_kept())
        try:
            self._put(rows)
        except StateError as unwritable:
            if failure := failure or await _failure_of(self._store_unspooled(rows)):
                raise StateError(
                    f"{counted(len(rows), 'fetched row')} lost: {unwritable.message}, and the database did not "
                    f"take them either: {failure.message}",
                    next_step=f"{unwritable.next_step}; {failure.next_step or 'repair the database'}",
                ) from failure
            unwritable.next_step += "; the rows are in the database anyway"
            raise
        if failure is not None:
            raise failure

    async def _store_unspooled(self, rows: Sequence[HourlyRow]) -> None:
        log.warning("rows bypass the spool", rows=len(rows))
        await self.ensure_ready()
        stored, refused = await self._store_sound(rows)
        self._note_own(rows, stored)
        for reason in refused:
            log.warning("row lost, not storable", reason=reason)

    async def _store_own(self, rows: Sequence[HourlyRow]) -> None:
        """Store the kept rows together, or batch by batch if the table refuses one of them."""
        stored = UpsertReport()
        try:
            stored = await self._upsert(rows)
            for path in list(self._kept):
                self._settle(path)
        except InvalidRowError:
            for path, batch in list(self._kept.items()):
                stored = stored.plus(await self._store_file(path, batch))
        finally:
            self._note_own([] if self._kept else rows, stored)

    def _note_own(self, rows: Sequence[HourlyRow], stored: UpsertReport) -> None:
        """Count what was stored of own rows; `rows` are all of them, unless some stay in the spool."""
        report = self._report
        report.inserted += stored.inserted
        report.updated += stored.updated
        report.unchanged += stored.unchanged
        visible = [row for row in rows if key_of(row) not in self._held]
        if any(stored):
            report.values |= {row.symbol: getattr(row, self._repository.table.value) for row in visible}
        elif visible and _ALL_REFUSED not in report.failures:
            report.failures.insert(0, _ALL_REFUSED)  # the last one has the cause

    async def _store_file(self, path: Path, rows: Sequence[HourlyRow], damage: str = "") -> UpsertReport:
        """Store a batch's rows, as many as the table takes. A file with others, or a damaged one, is set aside."""
        try:
            stored, refused = await self._store_sound(rows)
        except StorageUnavailable as error:
            if not is_about_size(error):
                raise
            self._doubtful[path] = error
            return UpsertReport()
        self._settle(path, "; ".join(filter(None, [damage, *refused])))
        return stored

    def _settle(self, path: Path, damage: str = "") -> None:
        self._kept.pop(path, None)
        if not self._spool.settle(path, damage):
            self._left.add(path)

    def _read(self, path: Path) -> tuple[list[HourlyRow], str]:
        """The readable rows of a spool file, and its damage."""
        batch, row = self._spool.read(path), self._repository.table.row
        # Without columns that are unknown by now, and with None for new ones.
        return [row(*map(record.get, self._columns)) for record in batch.records], batch.damage or ""

    async def _upsert(self, rows: Sequence[HourlyRow]) -> UpsertReport:
        """Upsert rows; hold those that are not visible then, and release those that are."""
        unproven = set(self._held)
        try:
            stored = await asyncio.to_thread(self._repository.upsert_prices, rows, unproven=unproven)
        except IncompleteWriteError as error:
            held = f"; held in {self._spool.held.folder}" if unproven else ""
            self._report.failures.append(f"{error.message}; next: {error.next_step}{held}")
            stored = error.stored
        finally:
            for key, row in {key_of(row): row for row in rows if unproven or self._held}.items():
                if key in unproven:
                    name = quote(" ".join(key), safe=" :")
                    self._held[key] = self._spool.held.put(self._columns, [tuple(row)], name=name)
                elif key in self._held:
                    self._spool.held.settle(self._held.pop(key))
        self._took = self._took or any(stored)
        return stored

    async def _store_sound(self, rows: Sequence[HourlyRow]) -> tuple[UpsertReport, list[str]]:
        """Store the rows that the table takes, and say why not the others."""
        stored, refused, by_clickhouse, cause = UpsertReport(), list[str](), 0, None
        batches = deque([rows] if rows else [])
        # From both ends: what ClickHouse refuses there and everywhere is not about single rows.
        while batches and (by_clickhouse < _ENOUGH or any(stored)):
            batch = batches.pop() if len(refused) % 2 else batches.popleft()
            middle = len(batch) // 2
            try:
                stored = stored.plus(await self._upsert(batch))
            except InvalidRowError as error:
                cause = error.__cause__
                if middle == 0:
                    refused.append(error.message)
                    by_clickhouse += isinstance(cause, EtlError)
                    if is_about_size(cause):
                        self._report.failures.append(f"row set aside: {error.message}; next: {error.next_step}")
                elif len(refused) % 2:
                    batches.extend((batch[:middle], batch[middle:]))
                else:
                    batches.extendleft((batch[middle:], batch[:middle]))
        if isinstance(cause, StorageUnavailable) and not any(stored):
            raise cause
        if batches:
            refused.append(f"{counted(sum(map(len, batches)), 'more row')}, not tried: all of these were refused")
        return stored, refused


async def _failure_of(work: Awaitable[object]) -> EtlError | None:
    try:
        await work
    except EtlError as error:
        return error
    return None

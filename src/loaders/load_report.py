"""What a load did. Pure."""

from __future__ import annotations

from typing import NamedTuple

from adapters.clickhouse.upsert_report import UpsertReport


class LoadReport(NamedTuple):
    """What a load did.

    Attributes:
        stored: the given rows.
        replayed: rows of earlier runs that had waited in the spool.
        set_aside: damaged spool files that now wait for a person, each as ``path: reason``.
        left: spool files that could be neither set aside nor removed, each as ``reason``; the rows of those that can
            be read are stored.
    """

    stored: UpsertReport = UpsertReport()
    replayed: UpsertReport = UpsertReport()
    set_aside: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def plus(self, other: LoadReport) -> LoadReport:
        """Both together."""
        return LoadReport(
            self.stored.plus(other.stored),
            self.replayed.plus(other.replayed),
            self.set_aside + other.set_aside,
            self.left + other.left,
        )

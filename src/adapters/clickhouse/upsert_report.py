"""What an upsert did. Pure."""

from __future__ import annotations

from typing import NamedTuple


class UpsertReport(NamedTuple):
    """What an upsert did, in rows.

    Attributes:
        inserted: keys that were not in the table.
        updated: keys that were, with other values.
        unchanged: keys that were, with the very values given (but for the run that brought them): not written.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    def plus(self, other: UpsertReport) -> UpsertReport:
        """Both together."""
        return UpsertReport(
            self.inserted + other.inserted, self.updated + other.updated, self.unchanged + other.unchanged
        )

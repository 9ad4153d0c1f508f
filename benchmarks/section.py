"""What a benchmark found: a table, targets and remarks. Pure."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple


class Target(NamedTuple):
    """A bound and what was measured against it.

    Attributes:
        what: in words.
        bound: the most that is allowed.
        measured: in the same unit.
        reason: why it is not reached, where that is known; shown only then.
    """

    what: str
    bound: float
    measured: float
    reason: str = ""

    @property
    def reached(self) -> bool:
        """Whether the measured value is within the bound."""
        return self.measured <= self.bound


@dataclass
class Section:
    """The outcome of one benchmark.

    Attributes:
        name: as on the command line.
        title: as in the document.
        columns: of the table.
        rows: of the table, as texts.
        targets: those that this benchmark decides.
        remarks: how it was measured, a sentence each.
        measured: when and at which size; empty until it is told.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    measured: str = ""

    def as_json(self) -> str:
        """All of it, for `from_json`."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Section:
        """The section that `as_json` wrote."""
        found = json.loads(text)
        return cls(**{**found, "targets": [Target(*target) for target in found["targets"]]})


def seconds(values: Sequence[float]) -> str:
    """Their median, for people."""
    return f"{statistics.median(values):.3f} s"


def megabytes(values: Sequence[float]) -> str:
    """Their median, for people."""
    return f"{statistics.median(values):.0f} MB"


def ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """The median of this over that, pair by pair: each pair was measured in the same minute."""
    return statistics.median(this / that for this, that in zip(these, those, strict=True))

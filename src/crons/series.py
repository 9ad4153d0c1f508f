"""What a job has stored of one symbol, for the operator's commands."""

from __future__ import annotations

from typing import NamedTuple

from transformers.coverage import Coverage


class Series(NamedTuple):
    """One symbol's prices.

    Attributes:
        symbol: as it is followed.
        last_hour: key of the latest stored hour, Tehran wall time; None when there is none in the longest span.
        last_price: that hour's price, finite; None when there is none, or one that is no number.
        coverage: which hours are stored; the present hour is not counted.
        trend: the prices of the 24 hours before the present one and of the present one, finite;
            None where there is none, or one that is no number.
    """

    symbol: str
    last_hour: str | None
    last_price: float | None
    coverage: Coverage
    trend: list[float | None]

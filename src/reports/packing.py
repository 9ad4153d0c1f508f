"""The page's data, packed: what makes a file of a month of two hundred coins one that can be mailed. Pure.

The page's `theme.js` undoes it.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence

_DIGITS = 8
_MOST_PLACES = 300
"""Ten to a higher power is no double."""


def packed_json(value: object) -> str:
    """JSON as gzip in base64, which holds no text in which an HTML parser could see the end of a script.

    Raises:
        ValueError: a NaN or an infinity.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def price_steps(prices: Sequence[float | None]) -> Mapping[str, int | list[int | None]]:
    """The prices as the steps from one to the next, None for None, which pack better than the prices do.

    Steps count units of the decimal place (`places`) that is the eighth digit of the largest price.
    """
    largest = max((abs(price) for price in prices if price is not None), default=0.0)
    places = min(_DIGITS - 1 - math.floor(math.log10(largest)), _MOST_PLACES) if largest else 0
    steps: list[int | None] = []
    before = 0
    for price in prices:
        whole = None if price is None else round(price * 10.0**places)
        steps.append(None if whole is None else whole - before)
        before = before if whole is None else whole
    return {"places": places, "steps": steps}

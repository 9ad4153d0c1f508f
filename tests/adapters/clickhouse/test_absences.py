"""When a coin of the list of the largest is not expected, and so not missing."""

from __future__ import annotations

from datetime import datetime

import pytest

from adapters._bases.tehran_time import HOUR, TEHRAN, hour_key
from tests.support.price_rows import price_row
from tests.support.price_table import Repository, Sql
from transformers.coverage import hours_by_key, is_within

BEGAN = datetime(2026, 10, 1, tzinfo=TEHRAN)
KINDS = {"L": "listings", "l": "latest", "h": "historical"}
STAYS = "L" + "l" * 24  # the last list that held it, and the 24 hours after it


@pytest.mark.parametrize(
    ("coin", "other", "missing"),
    [
        ("..L.L", "LLLLL", [3]),
        ("..L.L", "LLL.L", [3]),
        (STAYS + "...", "L" * 28, []),
        (STAYS + "...LL", "L" * 30, []),
        (STAYS + "...L.L", "L" * 31, [29]),
        ("LlllL", "LLLLL", []),
        ("L" + "l" * 10 + "." * 20, "L" * 31, range(11, 25)),
        ("L" + "." * 40 + "L", "L" + "." * 40 + "L", range(1, 41)),
        ("L" + "." * 40, "L" + "." * 39 + "L", []),
        ("L" + "." * 40, "L" + "." * 40, range(1, 41)),
        ("Lhh.hhL", "LLLLLLL", [3]),
        ("ll.l", "LLLL", [2]),
    ],
)
def test_hours_out_of_the_list_are_not_missing(
    repository: Repository, sql: Sql, coin: str, other: str, missing: list[int]
) -> None:
    """By the repository, and by the view of expected hours, which ends with the present hour or the last row."""
    starts = hours_by_key(BEGAN + HOUR * number for number in range(len(other)))
    keys = list(starts)
    repository.upsert_prices(
        [
            price_row(symbol, 1.0, fetched_at=key, endpoint=KINDS[letter])
            for symbol, letters in {"COIN": coin, "OTHER": other}.items()
            for key, letter in zip(keys, letters, strict=False)
            if letter != "."
        ]
    )
    absent = repository.absences(["COIN", "OTHER"])
    first = coin.index(coin.strip(".")[0])
    stored = [key for key, letter in zip(keys, coin, strict=False) if letter != "."]
    expected = [key for key in keys[first:] if key not in stored and not is_within(key, absent.get("COIN", ()))]
    assert expected == [keys[number] for number in missing]
    assert not any(is_within(key, absent.get("COIN", ())) for key in stored)
    if "L" in coin:
        assert is_within(hour_key(starts[keys[first]] - HOUR), absent["COIN"])
    found = sql(
        "SELECT datetime FROM crypto.crypto_prices_hours WHERE symbol = 'COIN' AND state = 'missing' "
        f"AND datetime < '{max(stored)}' ORDER BY datetime"
    )
    assert found == [(key,) for key in expected if key < max(stored)]

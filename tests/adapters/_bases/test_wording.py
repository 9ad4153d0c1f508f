"""Numbers, lists and addresses in sentences."""

from __future__ import annotations

import pytest

from adapters._bases.wording import counted, listed, shortened


def test_numbers_have_separators_and_plurals() -> None:
    found = [counted(number, "more row") for number in (0, 1, 2, 12345)]
    assert found == ["0 more rows", "1 more row", "2 more rows", "12,345 more rows"]


def test_long_lists_are_cut() -> None:
    assert listed(["A"] * 10) == ", ".join("A" * 10)
    assert listed(["A"] * 1011).endswith(", A and 1,001 more")


@pytest.mark.parametrize(
    ("path", "short"),
    [("/v1/klines", "/v1/klines"), ("/v3/cryptocurrency/quotes/latest", "/…/quotes/latest"), ("/", "/"), ("", "")],
)
def test_addresses_keep_their_end(path: str, short: str) -> None:
    assert shortened(path) == short

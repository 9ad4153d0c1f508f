"""The page's tables as a browser shows them: sorted, downloaded, and cut with a word."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.price_report import ReportContents
from tests.support.browser import MISSING, Browser
from tests.support.report_contents import hour_keys, report_contents, stored_price, stored_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed here: {', '.join(MISSING)}"),
]
Show = Callable[..., Browser]
HOURS = hour_keys(48)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """An empty folder for a download."""
    folder = tmp_path / "saved"
    folder.mkdir()
    return folder


def four_coins() -> ReportContents:
    """Three coins, of which one is not followed, and one that was never stored; five runs, one of them failed."""
    prices = [
        stored_price(symbol, hour, name=f"{symbol}, a coin", price=price, market_cap=rank)
        for symbol, price, rank in (("C2", 9.5, 3.0), ("C10", 1000.0, 2.0), ("C1", 20.0, 1.0))
        for hour in HOURS
    ]
    runs = [stored_run(35 + 60 * place, run_id=str(place)) for place in range(4)]
    runs.append(stored_run(300, run_id="4", status="failed", error='no "answer"'))
    return report_contents(prices, hours=HOURS, runs=runs, followed=["C2", "C10", "NEW"])


def sort_by(page: Browser, table: str, label: str) -> str:
    """Click the head of a column; how the column says it is sorted."""
    order: str = page.run(
        f"const head = [...document.querySelectorAll('#{table} thead th')].find((th) => th.textContent === '{label}');"
        "head.querySelector('button').click(); return head.ariaSort"
    )
    return order


def coins_of(page: Browser) -> list[str]:
    """The coins in the order of their table."""
    rows: list[str] = page.run(
        "return [...document.querySelectorAll('#coin-table tbody tr')]"
        ".filter((row) => !row.hidden).map((row) => row.dataset.symbol)"
    )
    return rows


def read_csv(path: Path) -> list[list[str]]:
    """The rows of a file with the mark that spreadsheets look for."""
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_numbers_sort_by_size(show: Show) -> None:
    """Largest first, then smallest first, then as the page had them; what has no number is last in both."""
    page = show(four_coins())

    assert coins_of(page) == ["C2", "C10", "C1", "NEW"]
    assert sort_by(page, "coin-table", "Price, USD") == "descending"
    assert coins_of(page) == ["C10", "C1", "C2", "NEW"]
    assert sort_by(page, "coin-table", "Price, USD") == "ascending"
    assert coins_of(page) == ["C2", "C1", "C10", "NEW"]
    assert sort_by(page, "coin-table", "Price, USD") == "none"
    assert coins_of(page) == ["C2", "C10", "C1", "NEW"]


def test_failed_run_keeps_its_reason_when_sorted(show: Show) -> None:
    """However the runs are sorted, the reason stands below the run that it is of."""
    page = show(four_coins())
    sort_by(page, "run-table", "Status")
    rows = page.run("return [...document.querySelectorAll('#run-table tbody tr')].map((row) => row.className)")

    assert rows == ["failed", "reason", "", "", "", ""]


def test_table_downloads_as_shown(show: Show, saved: Path) -> None:
    """Filtered and sorted, with numbers in full, whole hours, and a word on what is not followed."""
    page = show(four_coins())
    page.run("const box = document.getElementById('filter'); box.value = 'c'; box.dispatchEvent(new Event('input'))")
    sort_by(page, "coin-table", "Price, USD")
    path = page.download(".csv[data-name=coins]", saved)
    head, *rows = read_csv(path)

    assert path.name == "coins-2026-11-23_12-35.csv"
    assert head[:5] == ["Coin", "Name", "Price, USD", "24 h change, %", "7 d change, %"]
    assert [row[:4] for row in rows] == [
        ["C10", "C10, a coin", "1000", "0"],
        ["C1", "C1, a coin", "20", "0"],
        ["C2", "C2, a coin", "9.5", "0"],
    ]
    assert [row[head.index("Followed")] for row in rows] == ["yes", "no", "yes"]
    assert {row[head.index("Last hour, Tehran")] for row in rows} == {HOURS[-1]}
    assert {len(row) for row in rows} == {len(head)}
    assert page.messages() == []


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", 'a "b", c\nd'])
def test_name_is_not_a_formula_in_a_spreadsheet(show: Show, saved: Path, name: str) -> None:
    """Names come from outside: those that would be computed get an apostrophe, the others are as they are."""
    page = show(report_contents([stored_price("X", HOURS[3], name=name)], hours=HOURS, followed=[]))
    [_, row] = read_csv(page.download(".csv[data-name=coins]", saved))

    assert row[1] == (name if name.startswith("a") else f"'{name}")

"""A browser that shows pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reports.price_report import ReportContents, build_page
from tests.support.browser import Browser, running_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all pages."""
    with running_browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Write a page and show it."""

    def open_page(contents: ReportContents, *, dark: bool = False, phone: bool = False) -> Browser:
        path = tmp_path / "report.html"
        path.write_bytes(build_page(contents).encode())
        browser.open(path, dark=dark, phone=phone)
        return browser

    return open_page

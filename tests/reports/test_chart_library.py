"""The library that draws the charts: the very file that was published, with its license."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reports import price_report
from reports.price_report import chart_library

PACKAGE, VERSION = "plotly.js-cartesian-dist-min", "4.1.1"
"""The npm package; of those of plotly.js the smallest that draws lines and heat maps."""
PUBLISHED = {
    f"plotly-cartesian-{VERSION}.min.js": "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a",
    f"plotly-cartesian-{VERSION}.LICENSE": "8c45d9eaf50c2f72dd9c7ab9ef440788ba58a3538484b5c51c1f17d5128752e7",
}
"""SHA-256 of `plotly-cartesian.min.js` and `LICENSE` in that package."""
PAGE = Path(price_report.__file__).with_name("page")


def test_the_files_are_the_published_ones() -> None:
    """To the byte; there is no other version beside them."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in PAGE.glob("plotly*")}
    assert found == PUBLISHED


def test_the_page_holds_that_file() -> None:
    """It says of itself what it is; the page of a report stays within 2.5 MB with it."""
    assert f"plotly.js (cartesian - minified) v{VERSION}" in chart_library()
    assert len(chart_library().encode()) < 1_600_000

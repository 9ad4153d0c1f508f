"""The library that draws the charts, as it lies in the installed plotly package."""

from __future__ import annotations


def chart_library() -> str:
    """The text of plotly.js, about 4.8 MB; it is part of the page, so that the page needs no network."""
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]  # noqa: PLC0415 - only a report needs it

    return str(get_plotlyjs())

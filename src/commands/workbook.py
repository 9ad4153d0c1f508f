"""An Excel workbook of an answer of ClickHouse. Its library, XlsxWriter, is optional."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

from adapters._bases.errors import ConfigurationError

MOST_ROWS = 1_048_575
"""That a sheet of Excel holds, below the row of names."""
_EXACT = 1 << 53
"""From which on a whole number loses digits in Excel, so that it is written as text."""


def require_library() -> None:
    """Check that XlsxWriter is installed.

    Raises:
        ConfigurationError: it is not.
    """
    try:
        import xlsxwriter  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        raise ConfigurationError("xlsx needs the package XlsxWriter", next_step="./run.sh install --xlsx") from error


def write_workbook(answer: Path, target: Path) -> None:
    """Write a workbook of one sheet in constant memory, with the names in a frozen row.

    Excel knows no time zone: a time is shown by the clock that its column is in. NULL is an empty cell.

    Args:
        answer: in the format JSONCompactEachRowWithNamesAndTypes.
    """
    import xlsxwriter  # noqa: PLC0415 - optional

    with xlsxwriter.Workbook(target, {"constant_memory": True}) as book, answer.open(encoding="utf-8") as lines:
        sheet = book.add_worksheet("prices")
        sheet.freeze_panes(1, 0)
        formats = {
            kind: book.add_format({"num_format": form})
            for kind, form in (("Date", "yyyy-mm-dd"), ("DateTime", "yyyy-mm-dd hh:mm:ss"))
        }
        names, kinds = json.loads(next(lines)), json.loads(next(lines))
        sheet.set_column(0, len(names) - 1, 19)  # the width of a time
        for column, name in enumerate(names):
            sheet.write_string(0, column, name)
        for row, line in enumerate(lines, start=1):
            for column, (value, kind) in enumerate(zip(json.loads(line), kinds, strict=True)):
                if value is None:
                    continue
                if kind == "Date":
                    sheet.write_datetime(row, column, date.fromisoformat(value), formats["Date"])
                elif kind.startswith("DateTime"):
                    sheet.write_datetime(row, column, datetime.fromisoformat(value), formats["DateTime"])
                elif isinstance(value, str) or abs(value) >= _EXACT:
                    sheet.write_string(row, column, str(value))
                else:
                    sheet.write_number(row, column, value)

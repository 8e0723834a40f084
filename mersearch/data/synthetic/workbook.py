"""Excel workbooks whose bytes depend on their content alone."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openpyxl import Workbook


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that a spreadsheet program has computed: `text` without the =, and the value stored with it."""

    text: str
    value: int


Cell = str | int | Formula | None
Row = Sequence[Cell]
_STAMP = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:)")
_FORMULA = re.compile(rb"<f>([^<]*)</f><v ?/>")


def write(path: Path, sheets: Mapping[str, Sequence[Row]]) -> None:
    """Write sheets of rows; text stays text, formulas keep their values, and no clock gets into the file."""
    book = Workbook()
    book.remove(book.worksheets[0])
    values: dict[str, int] = {}
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append([f"={cell.text}" if isinstance(cell, Formula) else cell for cell in row])
            values |= {cell.text: cell.value for cell in row if isinstance(cell, Formula)}
    buffer = io.BytesIO()
    book.save(buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            content = _STAMP.sub(rb"\g<1>2014-05-08T00:00:00Z\g<3>", source.read(entry))
            content = _FORMULA.sub(lambda found: _stored(found, values), content)
            target.writestr(zipfile.ZipInfo(entry.filename), content, zipfile.ZIP_DEFLATED)


def _stored(found: re.Match[bytes], values: Mapping[str, int]) -> bytes:
    return b"<f>%b</f><v>%d</v>" % (found[1], values[found[1].decode()])

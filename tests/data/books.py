"""Label workbooks and empty frames, written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import openpyxl


def write_book(path: Path, rows: Sequence[Sequence[object]], title: str = "Sheet1") -> Path:
    """One sheet of rows, as a spreadsheet program that computes nothing saves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate(row, start=1):
            sheet.cell(number, column, cell)
    book.save(path)
    return path


def touch(folder: Path, names: Iterable[str]) -> Path:
    """Empty files of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder

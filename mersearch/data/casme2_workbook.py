"""The label workbook of CASME II, in any of its releases: columns are found by name, every cell is text."""

from __future__ import annotations

import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mersearch.data.files import folders, resembles
from mersearch.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FIRST_CHOICE = "casme2-coding-20140508.xlsx"
"""Where several releases are there: the one whose counts the label sets give."""
_WORKBOOK = re.compile(r"casme2[-_ ]?coding.*\.xlsx", re.IGNORECASE)
_COLUMNS = {
    "subject": "subject",
    "filename": "filename",
    "onsetframe": "onset",
    "apexframe": "apex",
    "offsetframe": "offset",
    "actionunits": "action_units",
    "estimatedemotion": "emotion",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row, as text without surrounding blanks; `line` counts as the spreadsheet does."""

    line: int
    subject: str
    """`casme2/01`."""
    filename: str
    onset: str
    apex: str
    offset: str
    action_units: str
    emotion: str

    @property
    def clip_id(self) -> str:
        """`casme2/01/EP02_01f`."""
        return f"{self.subject}/{self.filename}"


def find_workbook(root: Path) -> Path:
    """The label workbook: in the root, beside it (where the root is `Cropped/`), or in a folder of it.

    Raises:
        DataError: there is none.
    """
    for place in (root, root.absolute().parent, *folders(root).values()):
        found = sorted(path for path in place.iterdir() if _WORKBOOK.fullmatch(path.name))
        if found:
            return min(found, key=lambda path: path.name.lower() != FIRST_CHOICE)
    raise DataError(
        "CASME II has a label file CASME2-coding-20140508.xlsx",
        received=f"none in {root}{resembles(root, 'casme2')}",
        fix="put the workbook beside the folder of the frames, and set the root to the folder that holds both",
    )


def read_rows(workbook: Path) -> tuple[Row, ...]:
    """All rows that are not blank.

    Raises:
        DataError: the file is not a workbook, lacks a column, or a row does not name its clip.
    """
    table = _table(workbook)
    columns = [table[name].fillna("").str.strip() for name in _COLUMNS.values()]
    rows: list[Row] = []
    for line, cells in enumerate(zip(*columns, strict=True), start=2):
        if any(cells):
            rows.append(_row(workbook, line, dict(zip(_COLUMNS.values(), cells, strict=True))))
    return tuple(rows)


def _row(workbook: Path, line: int, cells: dict[str, str]) -> Row:
    match = re.fullmatch(r"(?:sub)?(\d+)(?:\.0)?", cells["subject"], re.IGNORECASE)
    if match is None or not cells["filename"]:
        raise DataError(
            "a row names its clip by Subject (01, 02, …) and Filename (EP02_01f, …)",
            received=f"{cells['subject']!r}, {cells['filename']!r} in line {line} of {workbook.name}",
            fix="fill in both cells, or delete the row",
        )
    return Row(line=line, **{**cells, "subject": f"casme2/{int(match[1]):02d}"})


def _table(workbook: Path) -> pd.DataFrame:
    """The first sheet that has all columns, under the names of `Row`."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="openpyxl")
            sheets = pd.read_excel(workbook, sheet_name=None, dtype=str, engine="openpyxl")
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            "the label file is an Excel workbook (.xlsx)",
            received=f"{workbook}: {error}",
            fix="copy the workbook again, or save it once more as .xlsx",
        ) from error
    named = [_named(sheet) for sheet in sheets.values()]
    for sheet in named:
        if not set(_COLUMNS.values()) - set(sheet.columns):
            return sheet
    best = max(named, key=lambda sheet: len(set(sheet.columns)))
    lacking = [title for title, name in _COLUMNS.items() if name not in best.columns]
    raise DataError(
        "the label file has the columns Subject, Filename, OnsetFrame, ApexFrame, OffsetFrame, Action Units and "
        "Estimated Emotion",
        received=f"{workbook.name} without {', '.join(lacking)}",
        fix="name the columns as in CASME2-coding-20140508.xlsx, in the first line of the sheet",
    )


def _named(sheet: pd.DataFrame) -> pd.DataFrame:
    """Only the columns that a row needs, found by name without case, blanks and punctuation."""
    keys = {title: re.sub(r"[^a-z]", "", str(title).lower()) for title in sheet.columns}
    kept = {title: _COLUMNS[key] for title, key in keys.items() if key in _COLUMNS}
    return sheet[list(kept)].rename(columns=kept)

"""Label workbooks in any of their releases: the header is searched, columns go by name, every cell is text."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mersearch.data.files import nearby, resembles
from mersearch.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Mapping[str, str] = {
    "subject": "subject",
    "filename": "filename",
    "onsetframe": "onset",
    "apexframe": "apex",
    "offsetframe": "offset",
    "actionunits": "action_units",
    "estimatedemotion": "emotion",
}
"""Columns of CASME II, SAMM and MMEW: title in lower case without blanks and punctuation → field."""
FILL_IN = "fill in both cells (of merged cells only the first holds the text), or delete the row"
"""How to mend a row that does not name its clip."""
DEEPEST_HEADER = 40
"""Rows of a sheet in which the header is searched; SAMM has thirteen of text before it."""


@dataclass(frozen=True, slots=True)
class Release:
    """What the label workbook of a database is called.

    Attributes:
        title: the database, as messages write it.
        reader: its reader.
        example: the name of the published file.
        pattern: the names of all its releases; matched in any case.
        first_choice: the release that is taken where several are there, lower case; that of the expected counts.
    """

    title: str
    reader: str
    example: str
    pattern: str
    first_choice: str

    def find(self, root: Path) -> Path:
        """The workbook: in the root, beside it (where the root is the folder of the frames), or up to two below.

        Raises:
            DataError: there is none.
        """
        wanted = re.compile(self.pattern, re.IGNORECASE)
        other = re.compile(self.pattern.removesuffix("xlsx") + "(?:xlsm|xls|ods|csv|tsv|txt)", re.IGNORECASE)
        alike: list[Path] = []
        for place in chain((root, root.absolute().parent), nearby(root)):
            found = sorted(path for path in place.iterdir() if wanted.fullmatch(path.name))
            if found:
                return min(found, key=lambda path: path.name.lower() != self.first_choice)
            alike += sorted(path for path in place.iterdir() if other.fullmatch(path.name))
        rule = f"{self.title} has a label file {self.example}"
        if alike:
            raise DataError(rule, received=str(alike[0]), fix="save it as an Excel workbook (.xlsx)")
        raise DataError(
            rule,
            received=f"none in {root}{resembles(root, self.reader)}",
            fix="put the workbook beside the folder of the frames, and set the root to the folder that holds both",
        )

    def rows(
        self, workbook: Path, columns: Mapping[str, str] = COLUMNS, optional: Sequence[str] = ()
    ) -> tuple[tuple[int, dict[str, str]], ...]:
        """All rows that are not blank: line of the spreadsheet, and field → text without surrounding blanks.

        A formula counts with the value that was stored with it. Unnamed columns and rows above the header are
        left out; the first sheet that has all columns is taken.

        Args:
            workbook: what `find` found.
            columns: title in lower case without blanks and punctuation → field.
            optional: fields that a release may lack; they are then empty.

        Raises:
            DataError: the file is not a workbook, or lacks a column.
        """
        needed = {title for title, field in columns.items() if field not in optional}
        best: set[str] = set()
        for sheet in _sheets(workbook):
            for top in range(min(DEEPEST_HEADER, len(sheet))):
                titles = [re.sub(r"[^a-z0-9]", "", str(cell).lower()) for cell in sheet.iloc[top]]
                if needed <= set(titles):
                    return _below(sheet, top, {columns[t]: titles.index(t) for t in columns if t in titles})
                best = max(best, needed & set(titles), key=len)
        lacking = [title for title in columns if title in needed - best]
        raise DataError(
            f"the label file of {self.title} has a header with the columns {', '.join(columns)}",
            received=f"{workbook.name} without {', '.join(lacking)}",
            fix=f"name the columns as in {self.example}, in one line of one sheet",
        )


def _sheets(workbook: Path) -> list[pd.DataFrame]:
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="openpyxl")
            sheets = pd.read_excel(workbook, sheet_name=None, header=None, dtype=str, engine="openpyxl")
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            "the label file is an Excel workbook (.xlsx)",
            received=f"{workbook}: {error}",
            fix="copy the workbook again, or save it once more as .xlsx",
        ) from error
    return [sheet.fillna("") for sheet in sheets.values()]


def _below(
    sheet: pd.DataFrame, top: int, places: Mapping[str, int]
) -> tuple[tuple[int, dict[str, str]], ...]:
    """The rows under the header in row `top`, counted from 0; `places` says which column holds a field."""
    rows = []
    for line, cells in enumerate(sheet.iloc[top + 1 :].itertuples(index=False), start=top + 2):
        fields = {field: str(cells[place]).strip() for field, place in places.items()}
        if any(fields.values()):
            rows.append((line, fields))
    return tuple(rows)

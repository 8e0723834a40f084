"""A manifest as rows of text: CSV in any of its dialects, or Parquet; columns go by name."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mersearch.errors import DataError
from mersearch.similar import did_you_mean

COLUMNS: tuple[str, ...] = (
    "clip_id",
    "database",
    "subject",
    "emotion",
    "onset",
    "apex",
    "offset",
    "action_units",
    "fps",
    "frames",
    "flow",
    "flow_scale",
    "strain_scale",
    "kind",
)
NEEDED = ("subject", "emotion")
ALIASES = {"label": "emotion", "clip": "clip_id", "aus": "action_units"}
"""Other titles of a column, without blanks and punctuation."""
PATHS = ("frames", "flow")
"""Columns that hold paths, which may be written with / or, as Windows does, with \\."""
SHEETS = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
PARQUET = frozenset({".parquet", ".pq"})
UNTITLED = "untitled"
NAMES = ("manifest.csv", "manifest.parquet")
"""What a manifest is called where a folder is given in its place."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `line 7` and its cells by column, as text without surrounding blanks; absent columns are empty."""

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def find_manifest(root: Path) -> Path:
    """The file that `root` names: itself, or `manifest.csv` or `manifest.parquet` in a folder.

    Raises:
        DataError: there is none.
    """
    if root.is_file():
        return root
    found = [root / name for name in NAMES if (root / name).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        received = f"{' and '.join(path.name for path in found)} in {root}"
    elif root.is_dir():
        tables = sorted(
            path.name for path in root.iterdir() if path.suffix.lower() in SHEETS | PARQUET | {".csv"}
        )
        received = f"{root} without {NAMES[0]}" + (f"; it holds {', '.join(tables[:3])}" if tables else "")
    else:
        received = f"{root} does not exist"
    raise DataError(
        "the root of a manifest is a table, or a folder that holds one",
        received=received,
        fix=("" if root.exists() else did_you_mean(root)) + "name the file, as FOLDER/clips.csv",
    )


def read_table(path: Path) -> tuple[Row, ...]:
    """All rows that are not blank.

    Raises:
        DataError: the file is no table, or its columns are not those of a manifest; names the line and the column.
    """
    if path.suffix.lower() in SHEETS:
        fix = "save its sheet as CSV in UTF-8"
        raise DataError("a manifest is a CSV or Parquet table", received=str(path), fix=fix)
    table = _parquet(path) if path.suffix.lower() in PARQUET else _csv(path)
    if not table:
        raise _no_rows(path, "an empty file")
    (top, header), *rest = table
    columns = _columns(path, top, header)
    rows = [_row(path, where, cells, columns) for where, cells in rest if any(cells)]
    if not rows:
        raise _no_rows(path, "a header and no clips")
    return tuple(rows)


Lines = list[tuple[str, list[str]]]


def _no_text(path: Path, error: UnicodeDecodeError) -> DataError:
    """The error of a table in another encoding, with the line of its first byte that is no text."""
    line = error.object.count(b"\n", 0, error.start) + 1
    return DataError(
        "a manifest is text in UTF-8",
        received=f"{path}, line {line}: the byte 0x{error.object[error.start]:02x} is no {error.encoding.upper()}",
        fix="save the table as CSV in UTF-8",
    )


def _csv(path: Path) -> Lines:
    data = path.read_bytes()
    try:
        text = data.decode(
            "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        )
    except UnicodeDecodeError as error:
        raise _no_text(path, error) from error
    separator, text = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: Lines = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                lines.append((f"line {reader.line_num}", stripped))
    except csv.Error as error:
        received, fix = f"line {reader.line_num} of {path}: {error}", "close every quote, and save it as CSV"
        raise DataError("a manifest is a CSV table", received=received, fix=fix) from error
    return lines


def _separator(text: str) -> tuple[str, str]:
    """What separates cells, and the text; a first line `sep=;`, as Excel writes it, says so and becomes blank."""
    said = re.match(r"sep=(.)\r?\n", text)
    if said:
        return said[1], text[said.end() - 1 :]
    header = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
    return max(",;\t", key=header.count), text


def _parquet(path: Path) -> Lines:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        fix = "pip install pyarrow, or save the table as CSV"
        raise DataError("a Parquet table needs pyarrow", received=str(path), fix=fix) from error
    except (OSError, ValueError) as error:
        fix = "write it again, or save the table as CSV"
        raise DataError("a manifest is a Parquet table", received=f"{path}: {error}", fix=fix) from error
    cells = frame.astype(object).where(frame.notna(), "")
    rows = [[str(cell).strip() for cell in row] for row in cells.itertuples(index=False)]
    return [
        ("header", [str(title).strip() for title in frame.columns]),
        *((f"row {n}", row) for n, row in enumerate(rows, 1)),
    ]


def _columns(path: Path, top: str, header: Sequence[str]) -> list[str]:
    """The column of every title; empty for one that begins with an underscore, which is the user's own.

    A title that is empty stands for itself (`UNTITLED`): such columns must be empty.
    """
    columns: list[str] = []
    known = {_plain(name): name for name in COLUMNS} | ALIASES
    for title in header:
        column = "" if title.startswith("_") else known.get(_plain(title), "?") if title else UNTITLED
        if column == "?":
            close = difflib.get_close_matches(_plain(title), known, n=1)
            raise DataError(
                f"a column of a manifest is one of: {', '.join(COLUMNS)}",
                received=f"{title!r} in {top} of {path.name}",
                fix=(f"did you mean {known[close[0]]}? " if close else "")
                + "a column of your own begins with an underscore, and is not read",
            )
        if column and column != UNTITLED and column in columns:
            raise DataError(
                "a manifest has each column once",
                received=f"{column} twice in {top} of {path.name}",
                fix="remove or rename one of the two",
            )
        columns.append(column)
    lacking = [name for name in NEEDED if name not in columns]
    if not {"frames", "flow"} & set(columns):
        lacking.append("frames or flow")
    if lacking:
        raise DataError(
            "a manifest has the columns subject, emotion, and frames or flow",
            received=f"{path.name} without {', '.join(lacking)}",
            fix="name the columns in the first line",
        )
    return columns


def _row(path: Path, where: str, cells: Sequence[str], columns: Sequence[str]) -> Row:
    if len(cells) > len(columns):
        raise DataError(
            "a row has as many cells as the header",
            received=f"{len(cells)} in {where} of {path.name}, {len(columns)} columns",
            fix='put a cell that holds the separator into quotes: "4+12, 6"',
        )
    found = {column: cell for column, cell in zip(columns, cells, strict=False) if column}
    if any(cell for column, cell in zip(columns, cells, strict=False) if column == UNTITLED):
        raise DataError(
            "a cell has a title above it",
            received=f"one without in {where} of {path.name}",
            fix="name the column in the header; one of your own begins with an underscore",
        )
    paths = {column: found[column].replace("\\", "/") for column in PATHS if column in found}
    return Row(where, found | paths)


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9]", "", title.lower())


def _no_rows(path: Path, received: str) -> DataError:
    return DataError(
        "a manifest has a header and a row for every clip",
        received=f"{path}: {received}",
        fix="write the clips into it; docs/manifest.md has an example",
    )

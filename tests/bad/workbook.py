"""The label file of the synthetic CASME II, to be broken."""

from __future__ import annotations

from pathlib import Path

import openpyxl

WORKBOOK = "casme2/CASME2-coding-20140508.xlsx"


def edit_workbook(column: str, value: object, row: int = 2) -> str:
    """Change one cell of the label file; the clip of its row."""
    book = openpyxl.load_workbook(WORKBOOK)
    sheet = book.worksheets[0]
    header = [str(cell.value).replace(" ", "") for cell in sheet[1]]
    sheet.cell(row, header.index(column) + 1).value = value
    book.save(WORKBOOK)
    subject, name = (sheet.cell(row, header.index(key) + 1).value for key in ("Subject", "Filename"))
    return f"casme2/{subject}/{name}"


def first_frame() -> tuple[str, Path]:
    """The clip of the first row, and the file of its onset."""
    clip = edit_workbook("EstimatedEmotion", "others")
    row = openpyxl.load_workbook(WORKBOOK).worksheets[0][2]
    _, subject, name = clip.split("/")
    return clip, Path(f"casme2/Cropped/sub{subject}/{name}/reg_img{row[3].value}.jpg")

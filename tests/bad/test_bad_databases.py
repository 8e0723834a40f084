"""Bad inputs 03–10, the databases.

Each gives one clear error and the documented exit code; no traceback, nothing lost.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import openpyxl

from tests.bad.inputs import Mersearch
from tests.bad.workbook import WORKBOOK, edit_workbook, first_frame


def test_03_empty_root(refuses: Callable[..., str], place: Path) -> None:
    (place / "nothing").mkdir()
    told = ("the root of CASME II is a folder", f"{place}/nothing is empty", "your copy of CASME II")
    refuses("launch", "tiny.yaml", "data.root=nothing", says=told)


def test_04_missing_label_file(refuses: Callable[..., str], place: Path) -> None:
    shutil.rmtree("ckplus/Emotion")
    told = (
        "CK+ has cohn-kanade-images/S005",
        f"no labels in Emotion/ in {place}/ckplus",
        "Emotion_labels.zip",
    )
    refuses("launch", "tiny.yaml", says=told)
    Path(WORKBOOK).unlink()
    told = ("CASME II has a label file CASME2-coding", f"none in {place}/casme2", "put the workbook")
    refuses("launch", "tiny.yaml", says=told)


def test_05_missing_frame(refuses: Callable[..., str]) -> None:
    clip, frame = first_frame()
    frame.unlink()
    number = re.findall(r"\d+", frame.stem)[0]
    told = (
        "labelled clip of CASME II can be read (1 cannot)",
        f"{clip}: frames {number}…",
        f"1 missing: {number}",
    )
    refuses("launch", "tiny.yaml", says=told)


def test_06_apex_outside(refuses: Callable[..., str]) -> None:
    clip = edit_workbook("ApexFrame", 9999)
    told = (f"{clip}: onset ≤ apex ≤ offset", "9999", "in line 2 of the label file", "correct the row")
    refuses("launch", "tiny.yaml", says=told)


def test_07_unreadable_image(refuses: Callable[..., str], mersearch: Mersearch, place: Path) -> None:
    clip, frame = first_frame()
    whole = frame.read_bytes()
    frame.write_bytes(whole[:100])
    told = (f"Every frame of clip {clip} is an image", f"{place}/{frame}: 100 bytes", "copy the file again")
    refuses("launch", "tiny.yaml", says=told)
    frame.write_bytes(whole)
    assert mersearch("evaluate", "one.yaml").code == 0


def test_08_unknown_label(refuses: Callable[..., str]) -> None:
    clip = edit_workbook("EstimatedEmotion", "bored")
    told = (f"{clip}: an emotion of casme2 is one of: disgust, fear,", "'bored'", "correct the label file")
    refuses("launch", "tiny.yaml", says=told)


def test_09_one_subject_only(refuses: Callable[..., str], place: Path) -> None:
    for subject in ("02", "03"):
        shutil.rmtree(f"casme2/Cropped/sub{subject}")
    book = openpyxl.load_workbook(WORKBOOK)
    sheet = book.worksheets[0]
    for row in range(sheet.max_row, 1, -1):
        if sheet.cell(row, 1).value != "01":
            sheet.delete_rows(row)
    book.save(WORKBOOK)
    told = (
        "leaving one subject out needs at least two subjects",
        "1 subject: casme2/01",
        "use a database",
    )
    refuses("launch", "tiny.yaml", "preprocess.cache=fresh", says=told)
    assert not (place / "fresh").exists(), "it is said before the clips are preprocessed"


def test_10_no_ckplus_where_it_is_needed(refuses: Callable[..., str], place: Path) -> None:
    told = (
        "need macro clips",
        "received: no macro database",
        "set macro=ckplus and macro.root, or turn off what is on of these: algorithm.",
    )
    refuses("launch", "tiny.yaml", "macro=none", "algorithm.quintuplet.macro=true", says=told)
    told = ("the root of CK+ is a folder", f"{place}/gone does not exist", "your copy of CK+")
    refuses("launch", "tiny.yaml", "macro.root=gone", says=told)

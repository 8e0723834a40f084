"""MMEW, the micro half: 300 micro-expressions of 30 people at 90 frames per second.

Ben, Ren, Zhang, Wang, Kpalma, Meng, Liu: Video-based facial micro-expression analysis: a survey of datasets, features
and algorithms. IEEE Transactions on Pattern Analysis and Machine Intelligence 44(9), 2022. Handed out by its authors
for research under a release agreement; it may not be passed on.

The root is the folder with the workbook `MMEW_Micro_Exp.xlsx` and the frames in `Micro_Expression/`, by emotion
(`happiness/S01-01-001/1.jpg`) or by subject (`S01/happiness/S01-01-001/1.jpg`). The subject is the first part of the
name of the clip.
"""

from __future__ import annotations

import re
from pathlib import Path

from mersearch.data.annotated import read_annotated
from mersearch.data.annotation import Annotation, Film
from mersearch.data.files import folders, nearby, open_root, resembles, sha256
from mersearch.data.labels import LabelSet
from mersearch.data.table import Database
from mersearch.data.workbook import COLUMNS, Release
from mersearch.errors import DataError

NAME, TITLE = "mmew", "MMEW"
WORKBOOK = Release(
    title=TITLE,
    reader=NAME,
    example="MMEW_Micro_Exp.xlsx",
    pattern=r"mmew_micro_exp.*\.xlsx",
    first_choice="mmew_micro_exp.xlsx",
)
FILM = Film(
    database=NAME,
    title=TITLE,
    fps=90.0,
    frame=re.compile(r"(?P<number>\d+)\.(?:jpe?g|png|bmp)", re.IGNORECASE),
    example="1.jpg, 2.jpg, …",
    trimmed=True,
)
CLIP = re.compile(r"(?P<subject>s\d{2})-\d{2}-\d{3}", re.IGNORECASE)
"""`S<subject>-<emotion>-<index>`; emotions are 01 happiness, 02 surprise, 03 disgust, 04 others, 05 fear, 06 sadness,
07 anger."""


def read(root: Path, labels: LabelSet) -> Database:
    """All clips of the label set, with what was dropped and repaired.

    Raises:
        DataError: no database is there, or clips break a rule (all of them in one message).
    """
    open_root(root, TITLE)
    workbook = WORKBOOK.find(root)
    cells = WORKBOOK.rows(workbook, {t: f for t, f in COLUMNS.items() if f != "subject"})
    rows = [_annotation(line, row, workbook) for line, row in cells]
    videos = _videos(root)
    return read_annotated(
        FILM, labels, rows, videos, label_hash=sha256(workbook), label_file=workbook.name, aligned=False
    )


def _annotation(line: int, cells: dict[str, str], workbook: Path) -> Annotation:
    match = CLIP.fullmatch(cells["filename"])
    if match is None:
        raise DataError(
            "a row names its clip by Filename (S01-01-001: subject, emotion, index)",
            received=f"{cells['filename']!r} in line {line} of {workbook.name}",
            fix="fill in the cell, or delete the row",
        )
    subject = f"{NAME}/{match['subject'].upper()}"
    rest = {name: text for name, text in cells.items() if name != "filename"}
    return Annotation(f"{subject}/{match[0].upper()}", subject, f"line {line}", **rest)


def _videos(root: Path) -> dict[str, Path]:
    """Folders of frames by lower-case clip id, whichever of subject and emotion comes first."""
    place = next((place for place in nearby(root) if place.name.lower() == "micro_expression"), root)
    found: dict[str, Path] = {}
    for folder in (*_inside(place), *(inner for outer in _inside(place) for inner in _inside(outer))):
        for name, clip in folders(folder).items():
            match = CLIP.fullmatch(name)
            if match is None:
                continue
            key = f"{NAME}/{match['subject']}/{name}"
            if key in found:
                raise DataError(
                    f"a clip of {TITLE} has one folder",
                    received=f"{found[key]} and {clip}",
                    fix="remove one of the two",
                )
            found[key] = clip
    if not found:
        raise DataError(
            f"{TITLE} has frames in Micro_Expression/happiness/S01-01-001/… or "
            "Micro_Expression/S01/happiness/S01-01-001/…",
            received=f"no folder of a clip below {place}{resembles(root, NAME)}",
            fix="unpack Micro_Expression beside the workbook",
        )
    return found


def _inside(folder: Path) -> list[Path]:
    return list(folders(folder).values())

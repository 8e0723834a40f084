"""CASME II: 255 micro-expressions of 26 people at 200 frames per second.

Yan, Li, Wang, Zhao, Liu, Chen, Fu: CASME II: an improved spontaneous micro-expression database and the baseline
evaluation. PLoS ONE 9(1), e86041, 2014. Handed out by its authors for research under a release agreement; it may not
be passed on.

The root is the folder with the workbook `CASME2-coding-….xlsx` and the frames in `Cropped/` or
`CASME2_RAW_selected/` (cropped ones are taken where both are there), or one of these two folders themselves.
"""

from __future__ import annotations

import re
from pathlib import Path

from mersearch.data.annotated import read_annotated
from mersearch.data.annotation import Annotation, Film
from mersearch.data.files import folders, nearby, only_once, open_root, resembles, sha256
from mersearch.data.labels import LabelSet
from mersearch.data.table import Database
from mersearch.data.workbook import FILL_IN, Release
from mersearch.errors import DataError

NAME, TITLE = "casme2", "CASME II"
WORKBOOK = Release(
    title=TITLE,
    reader=NAME,
    example="CASME2-coding-20140508.xlsx",
    pattern=r"casme2[-_ ]?coding.*\.xlsx",
    first_choice="casme2-coding-20140508.xlsx",
)
FILM = Film(
    database=NAME,
    title=TITLE,
    fps=200.0,
    frame=re.compile(r"(?:reg_)?img(?P<number>\d+)\.(?:jpe?g|png|bmp)", re.IGNORECASE),
    example="img46.jpg or reg_img46.jpg, …",
)
_SUBJECT = re.compile(r"sub0*(\d+)")


def read(root: Path, labels: LabelSet) -> Database:
    """All clips of the label set, with what was dropped and repaired.

    Raises:
        DataError: no database is there, or clips break a rule (all of them in one message).
    """
    open_root(root, TITLE)
    workbook = WORKBOOK.find(root)
    rows = [_annotation(line, cells, workbook) for line, cells in WORKBOOK.rows(workbook)]
    videos = _videos(root)
    return read_annotated(FILM, labels, rows, videos, label_hash=sha256(workbook), label_file=workbook.name)


def _annotation(line: int, cells: dict[str, str], workbook: Path) -> Annotation:
    match = re.fullmatch(r"(?:sub)?(\d+)(?:\.0)?", cells["subject"], re.IGNORECASE)
    if match is None or not cells["filename"]:
        raise DataError(
            "a row names its clip by Subject (01, 02, …) and Filename (EP02_01f, …)",
            received=f"{cells['subject']!r}, {cells['filename']!r} in line {line} of {workbook.name}",
            fix=FILL_IN,
        )
    subject = f"{NAME}/{int(match[1]):02d}"
    rest = {name: text for name, text in cells.items() if name not in ("subject", "filename")}
    return Annotation(f"{subject}/{cells['filename']}", subject, f"line {line}", **rest)


def _videos(root: Path) -> dict[str, Path]:
    """Folders of frames by lower-case clip id."""
    places = [place for place in nearby(root) if any(_SUBJECT.fullmatch(name) for name in folders(place))]
    if not places:
        raise DataError(
            f"{TITLE} has frames in Cropped/sub01/… or CASME2_RAW_selected/sub01/…",
            received=f"no folder sub01, sub02, … in or below {root}{resembles(root, NAME)}",
            fix="unpack Cropped.zip or CASME2_RAW_selected.zip beside the workbook",
        )
    place = min(places, key=lambda place: "crop" not in place.name.lower())
    return only_once(
        (f"{NAME}/{int(match[1]):02d}/{clip}", folder)
        for name, subject in folders(place).items()
        if (match := _SUBJECT.fullmatch(name))
        for clip, folder in folders(subject).items()
    )

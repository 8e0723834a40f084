"""SAMM: 159 micro-expressions of 29 people at 200 frames per second, in grey.

Davison, Lansley, Costen, Tan, Yap: SAMM: a spontaneous micro-facial movement dataset. IEEE Transactions on Affective
Computing 9(1), 2018. Handed out by Manchester Metropolitan University for research under a release agreement; it may
not be passed on.

The root is the folder with the workbook `SAMM_Micro_FACS_Codes_v2.xlsx` and the frames
`006/006_1_2/006_05562.jpg`, in the root itself or in a folder of it (one with `crop` in its name is taken first, as
`SAMM_CROP/`, and its frames are then taken for face crops).
"""

from __future__ import annotations

import re
from pathlib import Path

from mersearch.data.annotated import read_annotated
from mersearch.data.annotation import Annotation, Film
from mersearch.data.files import folders, nearby, open_root, resembles, sha256
from mersearch.data.labels import LabelSet
from mersearch.data.table import Database
from mersearch.data.workbook import FILL_IN, Release
from mersearch.errors import DataError

NAME, TITLE = "samm", "SAMM"
WORKBOOK = Release(
    title=TITLE,
    reader=NAME,
    example="SAMM_Micro_FACS_Codes_v2.xlsx",
    pattern=r"samm.*micro.*facs.*codes.*\.xlsx",
    first_choice="samm_micro_facs_codes_v2.xlsx",
)
FILM = Film(
    database=NAME,
    title=TITLE,
    fps=200.0,
    frame=re.compile(r"\d{3}_(?P<number>\d+)\.(?:jpe?g|png|bmp)", re.IGNORECASE),
    example="006_05562.jpg, …",
)
_SUBJECT = re.compile(r"\d{3}")


def read(root: Path, labels: LabelSet) -> Database:
    """All clips of the label set, with what was dropped and repaired.

    Raises:
        DataError: no database is there, or clips break a rule (all of them in one message).
    """
    open_root(root, TITLE)
    workbook = WORKBOOK.find(root)
    rows = [_annotation(line, cells, workbook) for line, cells in WORKBOOK.rows(workbook)]
    place = _place(root)
    videos = {
        f"{NAME}/{name}/{clip}": folder
        for name, subject in folders(place).items()
        if _SUBJECT.fullmatch(name)
        for clip, folder in folders(subject).items()
    }
    return read_annotated(
        FILM,
        labels,
        rows,
        videos,
        label_hash=sha256(workbook),
        label_file=workbook.name,
        aligned="crop" in place.name.lower(),
    )


def _annotation(line: int, cells: dict[str, str], workbook: Path) -> Annotation:
    match = re.fullmatch(r"(\d+)(?:\.0)?", cells["subject"])
    if match is None or not cells["filename"]:
        raise DataError(
            "a row names its clip by Subject (006, 007, …) and Filename (006_1_2, …)",
            received=f"{cells['subject']!r}, {cells['filename']!r} in line {line} of {workbook.name}",
            fix=FILL_IN,
        )
    subject = f"{NAME}/{int(match[1]):03d}"
    rest = {name: text for name, text in cells.items() if name not in ("subject", "filename")}
    return Annotation(f"{subject}/{cells['filename']}", subject, f"line {line}", **rest)


def _place(root: Path) -> Path:
    """The folder that holds a folder per subject."""
    places = [place for place in nearby(root) if any(_SUBJECT.fullmatch(name) for name in folders(place))]
    if not places:
        raise DataError(
            f"{TITLE} has frames in 006/006_1_2/…",
            received=f"no folder 006, 007, … in or below {root}{resembles(root, NAME)}",
            fix="unpack the frames beside the workbook",
        )
    return min(places, key=lambda place: "crop" not in place.name.lower())

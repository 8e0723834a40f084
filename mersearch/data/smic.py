"""SMIC-HS, the high-speed part of SMIC: 164 micro-expressions of 16 people at 100 frames per second.

Li, Pfister, Huang, Zhao, Pietikäinen: A spontaneous micro-expression database: inducement, collection and baseline.
IEEE International Conference on Automatic Face and Gesture Recognition, 2013. Handed out by the University of Oulu
for research under a licence agreement; it may not be passed on.

Two releases are read. In the one of clips, folders are the annotation: `HS/s1/micro/negative/s1_ne_01/` holds the
frames of a clip from onset to offset. In the long one (SMIC-E), `s01/s1_ne_01/` holds more than the clip, and the
workbook `SMIC-HS-E_annotation.xlsx` tells where up to three of them lie. The root is a folder that holds one of the
two; clips are taken where both are there. There are three classes; no release gives an apex or action units.
"""

from __future__ import annotations

import re
from pathlib import Path

from mersearch.data.annotated import read_annotated
from mersearch.data.annotation import NO_APEX, Annotation, Film
from mersearch.data.files import folders, nearby, numbered, only_once, open_root, resembles, sha256
from mersearch.data.labels import LabelSet
from mersearch.data.table import Database
from mersearch.data.workbook import FILL_IN, Release
from mersearch.errors import DataError
from mersearch.seeds import digest

NAME, TITLE = "smic", "SMIC-HS"
WORKBOOK = Release(
    title=TITLE,
    reader=NAME,
    example="SMIC-HS-E_annotation.xlsx",
    pattern=r"smic[-_]hs[-_]e[-_]annotation.*\.xlsx",
    first_choice="smic-hs-e_annotation.xlsx",
)
FILM = Film(
    database=NAME,
    title=TITLE,
    fps=100.0,
    frame=re.compile(r"(?:reg_)?image(?P<number>\d+)\.(?:bmp|jpe?g|png)", re.IGNORECASE),
    example="image000001.bmp or reg_image000001.bmp, …",
)
INTERVALS = (("onsetf", "offsetf"), ("onset2f", "offset2f"), ("onset3f", "offset3f"))
"""Columns of the long release's workbook with the micro-expressions of one sequence."""
_SUBJECT = re.compile(r"s0*(\d{1,2})")
_OTHER_PART = re.compile(r"(?:.*[^a-z])?(?:vis|nir)(?:[^a-z].*)?", re.IGNORECASE)


def read(root: Path, labels: LabelSet) -> Database:
    """All clips, with what was repaired.

    Raises:
        DataError: no database is there, or clips break a rule (all of them in one message).
    """
    open_root(root, TITLE)
    places = [
        place
        for place in nearby(root)
        if any(_SUBJECT.fullmatch(name) for name in folders(place))
        and not any(_OTHER_PART.fullmatch(part) for part in (root.name, *place.relative_to(root).parts))
    ]
    if not places:
        raise DataError(
            f"{TITLE} has frames in HS/s1/micro/negative/s1_ne_01/… or SMIC-HS-E/s01/s1_ne_01/…",
            received=f"no folder s1, s2, … of the part HS in or below {root}{resembles(root, NAME)}",
            fix="set the root to the folder HS, or to the one that holds it (the parts VIS and NIR are not read)",
        )
    for place in places:
        rows, videos = _clips(place)
        if rows:
            facts = digest(sorted([row.clip_id, row.emotion] for row in rows))
            return read_annotated(FILM, labels, rows, videos, label_hash=facts)
    workbook = WORKBOOK.find(root)
    rows, videos = _sequences(places[0], workbook)
    return read_annotated(FILM, labels, rows, videos, label_hash=sha256(workbook), label_file=workbook.name)


def _clips(place: Path) -> tuple[list[Annotation], dict[str, Path]]:
    """The release of clips: a folder per clip, in a folder that names its emotion."""
    rows, videos = [], {}
    for subject, folder in _subjects(place):
        micro = folders(folder).get("micro")
        for emotion, clips in (folders(micro) if micro else {}).items():
            for name, clip in folders(clips).items():
                numbers = [str(number) for number in numbered(clip, FILM.frame)] or [""]
                clip_id = f"{subject}/{name}"
                rows.append(Annotation(clip_id, subject, str(clip), emotion, numbers[0], "", numbers[-1]))
                videos[clip_id] = clip
    return rows, videos


def _sequences(place: Path, workbook: Path) -> tuple[list[Annotation], dict[str, Path]]:
    """The long release: the second and third micro-expression of a sequence are clips `…-2` and `…-3`."""
    columns = {"subject": "subject", "filename": "filename", "emotion": "emotion"}
    columns |= {title: title for interval in INTERVALS for title in interval}
    later = [title for interval in INTERVALS[1:] for title in interval]
    videos = only_once(
        (f"{subject}/{name}", clip)
        for subject, folder in _subjects(place)
        for name, clip in folders(folder).items()
    )
    rows: list[Annotation] = []
    for line, cells in WORKBOOK.rows(workbook, columns, optional=later):
        first = _clip_id(line, cells, workbook)
        for count, (onset, offset) in enumerate(INTERVALS, start=1):
            ends = cells.get(onset, ""), cells.get(offset, "")
            if count > 1 and NO_APEX.issuperset(ends):
                continue
            clip_id = first if count == 1 else f"{first}-{count}"
            where = f"line {line}" if count == 1 else f"line {line} ({onset}, {offset})"
            subject = first.rpartition("/")[0]
            rows.append(Annotation(clip_id, subject, where, cells["emotion"], ends[0], "", ends[1]))
            if first.lower() in videos:
                videos[clip_id.lower()] = videos[first.lower()]
    return rows, videos


def _clip_id(line: int, cells: dict[str, str], workbook: Path) -> str:
    match = re.fullmatch(r"s?0*(\d{1,2})(?:\.0)?", cells["subject"], re.IGNORECASE)
    if match is None or not cells["filename"]:
        raise DataError(
            "a row names its sequence by Subject (1, 2, …) and Filename (s1_ne_01, …)",
            received=f"{cells['subject']!r}, {cells['filename']!r} in line {line} of {workbook.name}",
            fix=FILL_IN,
        )
    return f"{NAME}/s{int(match[1]):02d}/{cells['filename']}"


def _subjects(place: Path) -> list[tuple[str, Path]]:
    """`smic/s01` and its folder, whether it is called `s1` or `s01`."""
    found = [(_SUBJECT.fullmatch(name), folder) for name, folder in folders(place).items()]
    return [(f"{NAME}/s{int(match[1]):02d}", folder) for match, folder in found if match]

"""CASME II: 255 micro-expressions of 26 people at 200 frames per second.

Yan, Li, Wang, Zhao, Liu, Chen, Fu: CASME II: an improved spontaneous micro-expression database and the baseline
evaluation. PLoS ONE 9(1), e86041, 2014.

The root is the folder with the workbook `CASME2-coding-….xlsx` and the frames in `Cropped/` or
`CASME2_RAW_selected/` (cropped ones are taken where both are there), or one of these two folders themselves.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

from mersearch.data.action_units import parse
from mersearch.data.casme2_workbook import Row, find_workbook, read_rows
from mersearch.data.files import folders, nearby, numbered, open_root, raise_clip_errors, resembles, span
from mersearch.data.labels import LabelSet, repair
from mersearch.data.table import Clip, Database, Note
from mersearch.errors import DataError

NAME, TITLE, FPS = "casme2", "CASME II", 200.0
_SUBJECT = re.compile(r"sub0*(\d+)")
_FRAME = re.compile(r"(?P<cropped>reg_)?img(?P<number>\d+)\.(?:jpe?g|png|bmp)", re.IGNORECASE)
_NO_APEX = frozenset({"", "/", "-", "?"})


def read(root: Path, labels: LabelSet) -> Database:
    """All clips of the label set, with what was dropped and repaired.

    Raises:
        DataError: no database is there, or clips break a rule (all of them in one message).
    """
    open_root(root, TITLE)
    workbook = find_workbook(root)
    rows = read_rows(workbook)
    videos = _videos(root)
    reader = _Reader(labels, videos, Counter(row.clip_id.lower() for row in rows))
    for row in rows:
        reader.take(row)
    raise_clip_errors(TITLE, reader.errors)
    labelled = {row.clip_id.lower() for row in rows}
    for key, folder in videos.items():
        if key not in labelled:
            subject = key.split("/")[1]
            reader.dropped.append(Note(f"{NAME}/{subject}/{folder.name}", f"no row in {workbook.name}"))
    return Database(
        name=NAME,
        clips=tuple(reader.clips),
        classes=labels.classes,
        expected=dict(labels.expected),
        dropped=tuple(reader.dropped),
        repaired=tuple(reader.repaired),
        rows=len(rows),
        label_hash=hashlib.sha256(workbook.read_bytes()).hexdigest(),
        aligned=_aligned(reader.clips, labels),
    )


class _Reader:
    """Clips, notes and errors gathered row by row."""

    def __init__(self, labels: LabelSet, videos: dict[str, Path], occurs: Counter[str]) -> None:
        self.labels, self.videos, self.occurs = labels, videos, occurs
        self.clips: list[Clip] = []
        self.dropped: list[Note] = []
        self.repaired: list[Note] = []
        self.errors: list[tuple[str, DataError]] = []

    def take(self, row: Row) -> None:
        """Turn one row into a clip, a dropped row or an error."""
        try:
            emotion, why_not = self._emotion(row)
            if emotion is None:
                self.dropped.append(Note(row.clip_id, why_not))
            else:
                self.clips.append(self._clip(row, emotion))
        except DataError as error:
            self.errors.append((row.clip_id, error))

    def _emotion(self, row: Row) -> tuple[str | None, str]:
        """The class, or None and the reason for dropping the row."""
        if self.occurs[row.clip_id.lower()] > 1:
            raise DataError(
                "a clip has one row", received=f"also line {row.line}", fix="remove the repeated row"
            )
        if not row.emotion:
            return None, "no emotion in the label file"
        emotion = self.labels.emotion(row.emotion)
        if row.clip_id in self.labels.dropped:
            return None, self.labels.dropped[row.clip_id]
        return emotion, f"{row.emotion.lower()} is not in the label set {self.labels.name}"

    def _clip(self, row: Row, emotion: str) -> Clip:
        onset, offset = _number(row, "onset"), _number(row, "offset")
        units = parse(row.action_units)
        images = self._images(row)
        offset = self._shortened(row, offset, images)
        apex = self._apex(row, onset, offset)
        if not onset <= apex <= offset:
            raise DataError(
                "onset ≤ apex ≤ offset",
                received=f"{onset}, {apex}, {offset} in line {row.line} of the label file",
                fix="correct the row, or write / as the apex to use the middle of onset and offset",
            )
        frames, gap = span(images, onset, offset, needed=(onset, apex, offset))
        if gap:
            self.repaired.append(Note(row.clip_id, gap))
        return Clip(
            clip_id=row.clip_id,
            database=NAME,
            subject=row.subject,
            emotion=emotion,
            onset=0,
            apex=apex - onset,
            offset=offset - onset,
            action_units=units,
            fps=FPS,
            frames=frames,
            kind="micro",
        )

    def _images(self, row: Row) -> dict[int, Path]:
        folder = self.videos.get(row.clip_id.lower())
        images = numbered(folder, _FRAME) if folder else {}
        if not images:
            raise DataError(
                "a labelled clip has a folder of frames (img46.jpg or reg_img46.jpg, …)",
                received=f"{folder} without frames" if folder else "no such folder",
                fix="unpack the archive of the frames again, or remove the row from the label file",
            )
        return images

    def _shortened(self, row: Row, offset: int, images: dict[int, Path]) -> int:
        known = repair(row.clip_id)
        if known is None or offset in images or known.offset not in images:
            return offset
        self.repaired.append(Note(row.clip_id, known.reason))
        return known.offset

    def _apex(self, row: Row, onset: int, offset: int) -> int:
        if row.apex not in _NO_APEX:
            return _number(row, "apex")
        self.repaired.append(Note(row.clip_id, f"no apex ({row.apex!r}): the middle of onset and offset"))
        return (onset + offset) // 2


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
    return {
        f"{NAME}/{int(match[1]):02d}/{clip}": folder
        for name, subject in folders(place).items()
        if (match := _SUBJECT.fullmatch(name))
        for clip, folder in folders(subject).items()
    }


def _number(row: Row, field: str) -> int:
    text: str = getattr(row, field)
    if not re.fullmatch(r"\d+(\.0+)?", text):
        raise DataError(
            f"the {field} is a frame number",
            received=f"{text!r} in line {row.line} of the label file",
            fix="correct the row",
        )
    return int(float(text))


def _aligned(clips: list[Clip], labels: LabelSet) -> bool:
    kinds = {clip.frames[0].name.lower().startswith("reg_") for clip in clips}
    if len(kinds) == 1:
        return kinds.pop()
    raise DataError(
        "the frames of a database are all raw (img46.jpg) or all cropped (reg_img46.jpg)",
        received="both" if kinds else f"no clip at all in the label set {labels.name}",
        fix="keep the two releases in folders of their own" if kinds else "use the whole label file",
    )

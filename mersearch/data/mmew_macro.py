"""MMEW, the macro half: 900 stills of macro-expressions of the same 30 people as the micro half.

The database, its citation and its licence are those of `mersearch.data.mmew`. Because the people are the same, their
names are too (`mmew/S01`), so that a fold leaves out the stills of the person that it is tested on.

The root is the folder that holds `Macro_Expression/`, or that folder, with the stills by subject
(`S01/anger/S01-07-001.jpg`) or by emotion (`anger/S01-07-001.jpg`). A still has no neutral frame: its clip has one
frame, and no motion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mersearch.data import mmew
from mersearch.data.files import folders, nearby, open_root, raise_clip_errors, resembles
from mersearch.data.labels import LabelSet, label_set
from mersearch.data.table import Clip, Database
from mersearch.errors import DataError
from mersearch.seeds import digest

NAME, TITLE = "mmew_macro", "the macro half of MMEW"
_STILL = re.compile(rf"(?P<name>{mmew.CLIP.pattern})\.(?:jpe?g|png|bmp)", re.IGNORECASE)


def read(root: Path) -> Database:
    """The stills as macro clips of one frame, onset = apex = offset.

    Raises:
        DataError: no stills are there, a class is unknown, or a still is there twice.
    """
    open_root(root, TITLE)
    labels = label_set("mmew-macro-6")
    place = next((p for p in nearby(root) if p.name.lower() == "macro_expression"), root)
    clips: dict[str, Clip] = {}
    errors: list[tuple[str, DataError]] = []
    for emotion, name, path in _stills(place):
        try:
            clip = _clip(labels, emotion, name, path)
            _require_new(clip, clips)
            clips[clip.clip_id] = clip
        except DataError as error:
            errors.append((f"{NAME}/{name}", error))
    raise_clip_errors(TITLE, errors)
    if not clips:
        raise DataError(
            f"{TITLE} has stills in Macro_Expression/S01/anger/S01-07-001.jpg",
            received=f"none below {place}{resembles(root, NAME)}",
            fix="unpack Macro_Expression, and set the root to the folder that holds it",
        )
    return Database(
        name=NAME,
        clips=tuple(clips[clip_id] for clip_id in sorted(clips)),
        classes=labels.classes,
        expected=dict(labels.expected),
        dropped=(),
        repaired=(),
        rows=len(clips),
        label_hash=digest(sorted([clip.clip_id, clip.emotion] for clip in clips.values())),
        aligned=False,
    )


def _require_new(clip: Clip, clips: Mapping[str, Clip]) -> None:
    if twin := clips.get(clip.clip_id):
        received = f"{twin.frames[0]} and {clip.frames[0]}"
        raise DataError("a still is there once", received=received, fix="remove one of the two")


def _stills(place: Path) -> Iterator[tuple[str, str, Path]]:
    """Emotion, name and picture of every still, whichever of subject and emotion comes first."""
    for outer, folder in folders(place).items():
        for emotion, inside in ((outer, folder), *folders(folder).items()):
            for path in sorted(inside.iterdir()):
                if match := _STILL.fullmatch(path.name):
                    yield emotion, match["name"].upper(), path


def _clip(labels: LabelSet, emotion: str, name: str, path: Path) -> Clip:
    subject = name.partition("-")[0]
    return Clip(
        clip_id=f"{NAME}/{subject}/{name}",
        database=NAME,
        subject=f"{mmew.NAME}/{subject}",
        emotion=labels.emotion(emotion) or "",
        onset=0,
        apex=0,
        offset=0,
        action_units=None,
        fps=mmew.FILM.fps,
        frames=(path,),
        kind="macro",
    )

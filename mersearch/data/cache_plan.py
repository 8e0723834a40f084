"""What the cache of one database will hold, and under which key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2

from mersearch.data.align import Face
from mersearch.data.cache_index import Entry, Index
from mersearch.data.content import FrameHashes
from mersearch.data.faces import faces_of
from mersearch.data.frames import positions
from mersearch.data.landmarks import Eyes
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Clip, Database, Note
from mersearch.errors import DataError
from mersearch.seeds import digest

CACHE: Final = 1
"""Version of preprocessing: raised, with a line in CHANGELOG, when the same frames become other arrays."""
CODE: Final = (
    "align.py",
    "arrays.py",
    "flow.py",
    "flow_maps.py",
    "frames.py",
    "haar.py",
    "images.py",
    "pictures.py",
    "videos.py",
)
"""Modules that decide the bytes of a cache: a change in any of them prepares anew."""
COPY: Final = (
    "shows the very frames of a clip of another person: a copy or a wrong name, and their folds leak"
)
"""What is noted of such a clip."""


@dataclass(frozen=True, slots=True)
class CachePlan:
    """One database, how it is preprocessed, and where that goes."""

    clips: tuple[Clip, ...]
    faces: tuple[Face, ...]
    """How the face of each clip is found."""
    settings: Preprocess
    folder: Path
    index: Index
    """The index to be written, without the notes of the alignment."""


def plan_cache(database: Database, settings: Preprocess, root: Path, hashes: FrameHashes) -> CachePlan:
    """The plan of one database; reads frames only as far as their hashes are not known yet.

    Raises:
        DataError: no clips, two kinds of clips, or a frame or a landmark file that cannot be read.
    """
    kinds = sorted({clip.kind for clip in database.clips})
    if len(kinds) != 1:
        raise DataError(
            "A database holds clips of one kind",
            received=f"{database.name}: {' and '.join(kinds) or 'no clips'}",
            fix="check the root and the label set with `mersearch data check`",
        )
    kind = kinds[0]
    faces, notes = faces_of(database, settings)
    entries = tuple(
        _entry(clip, settings, hashes, face) for clip, face in zip(database.clips, faces, strict=True)
    )
    methods = {part.name: settings.method(part.aligned) for part in database.sources}
    applied = settings.applied(kind, database.aligned)
    if len(set(methods.values())) > 1:
        applied["align"] = methods
    data = {
        "database": database.name,
        "classes": list(database.classes),
        "clips": [_facts(entry) for entry in entries],
        "settings": applied,
        "preprocessing": {"version": CACHE, "opencv": cv2.__version__},
    }
    key = digest({"data": data, "code": code_version()})
    index = Index(
        key=key,
        digest=digest(data),
        database=database.name,
        kind=kind,
        settings=applied,
        classes=database.classes,
        expected=database.expected,
        entries=entries,
        label_hash=database.label_hash,
        rows=database.rows,
        dropped=database.dropped,
        repaired=database.repaired,
        notes=(*notes, *_copies(entries)),
        views=database.views,
    )
    return CachePlan(database.clips, faces, settings, root / key, index)


def code_version() -> str:
    """Hash of the source of the modules that turn frames into arrays."""
    folder = Path(__file__).parent
    return digest([hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in CODE])


def _copies(entries: Sequence[Entry]) -> Iterator[Note]:
    """A note on every clip with the same content as one of another person."""
    people: dict[str, set[str]] = {}
    for entry in entries:
        people.setdefault(entry.content, set()).add(entry.subject)
    yield from (Note(entry.clip_id, COPY) for entry in entries if len(people[entry.content]) > 1)


def _entry(clip: Clip, settings: Preprocess, hashes: FrameHashes, face: Face) -> Entry:
    content = hashes.clip(clip, (clip.onset, *positions(clip, settings)))
    if isinstance(face, Eyes):
        content = digest({"frames": content, "eyes": [list(eye) for eye in face]})
    return Entry(clip.clip_id, clip.subject, clip.emotion, clip.action_units, content)


def _facts(entry: Entry) -> list[Any]:
    units = None if entry.action_units is None else list(entry.action_units)
    return [entry.clip_id, entry.subject, entry.emotion, units, entry.content]

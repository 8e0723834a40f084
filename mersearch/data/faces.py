"""How the face of every clip of a database is found: its landmark file, a search, or not at all."""

from __future__ import annotations

from pathlib import Path

from mersearch.data.align import Face
from mersearch.data.files import raise_clip_errors
from mersearch.data.landmarks import landmark_file, read_eyes
from mersearch.data.preprocess import Method, Preprocess
from mersearch.data.table import Clip, Database, Note
from mersearch.errors import DataError

INSTEAD: dict[Method, str] = {"haar": "a face is searched", "none": "the whole frame is used"}


def faces_of(database: Database, settings: Preprocess) -> tuple[tuple[Face, ...], tuple[Note, ...]]:
    """One per clip, in their order, and a note for every clip whose landmark file is missing.

    A clip that is only flow has no face to be found.

    Raises:
        DataError: `align: landmarks` and a clip has no landmark file; or one of them is wrong.
    """
    faces: list[Face] = []
    notes: list[Note] = []
    errors: list[tuple[str, DataError]] = []
    for part in database.sources:
        method = settings.method(part.aligned)
        for clip in part.clips:
            try:
                faces.append(_face(clip, method, settings.landmarks, notes))
            except DataError as error:
                errors.append((clip.clip_id, error))
    raise_clip_errors(database.name, errors)
    return tuple(faces), tuple(notes)


def _face(clip: Clip, method: Method, landmarks: str | None, notes: list[Note]) -> Face:
    if not clip.pictured:
        return "none"
    folder = Path(landmarks).expanduser() if landmarks else None
    file = landmark_file(folder, clip.clip_id) if folder else None
    if file is not None:
        return read_eyes(file)
    if method == "landmarks":
        raise DataError(
            "a clip has a landmark file",
            received=f"no {folder}/{clip.clip_id}.csv",
            fix="write it, or let preprocess.align=auto search the face of such a clip",
        )
    if folder is not None:
        notes.append(Note(clip.clip_id, f"no landmark file, {INSTEAD[method]}"))
    return method

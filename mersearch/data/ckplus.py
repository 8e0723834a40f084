"""CK+: posed expressions from neutral to the peak, 327 of 593 sequences labelled, 123 people.

Lucey, Cohn, Kanade, Saragih, Ambadar, Matthews: The extended Cohn-Kanade dataset (CK+): a complete dataset for action
unit and emotion-specified expression. CVPR Workshops, 2010. Handed out for non-commercial research under an
agreement; it may not be passed on.

The root is the folder that holds `cohn-kanade-images/`, `Emotion/` and `FACS/` (any case), or one of these.
"""

from __future__ import annotations

from pathlib import Path

from mersearch.data.ckplus_files import (
    EMOTION,
    EMOTION_FILE,
    FACS,
    FACS_FILE,
    FRAME,
    IMAGES,
    emotion,
    floats,
    label_file,
    not_ckplus,
    sessions,
    small_copy,
)
from mersearch.data.files import image_size, numbered, open_root, raise_clip_errors, sha256, span
from mersearch.data.labels import LabelSet, label_set
from mersearch.data.table import Clip, Database, Note
from mersearch.errors import DataError

NAME, TITLE, FPS = "ckplus", "CK+", 30.0
SMALLEST = 64
"""Pixels; the 48×48 copies that circulate hold three frames per sequence, cut and scaled, and are not CK+."""


def read(root: Path) -> Database:
    """The labelled sequences as macro clips: onset = the neutral first frame, apex = offset = the peak.

    Raises:
        DataError: no database is there, or labelled sequences break a rule (all of them in one message).
    """
    open_root(root, TITLE)
    images, emotions, facs = (sessions(root, names) for names in (IMAGES, EMOTION, FACS))
    if images is None or emotions is None:
        raise not_ckplus(root, "frames in cohn-kanade-images/" if images is None else "labels in Emotion/")
    reader = _Reader(images, emotions, facs or {}, label_set("ckplus-7"))
    for key in sorted(images.keys() | emotions.keys()):
        reader.take(key)
    raise_clip_errors(TITLE, reader.errors)
    _refuse_small(root, reader.clips)
    without = () if facs else (Note(NAME, "no FACS folder: no clip has action units"),)
    return Database(
        name=NAME,
        clips=tuple(reader.clips),
        classes=reader.labels.classes,
        expected=dict(reader.labels.expected),
        dropped=tuple(reader.dropped),
        repaired=(*without, *reader.repaired),
        rows=reader.sequences,
        label_hash=sha256(*reader.label_files),
        aligned=False,
    )


class _Reader:
    """Clips, notes and errors gathered sequence by sequence."""

    def __init__(
        self, images: dict[str, Path], emotions: dict[str, Path], facs: dict[str, Path], labels: LabelSet
    ) -> None:
        self.images, self.emotions, self.facs, self.labels = images, emotions, facs, labels
        self.clips: list[Clip] = []
        self.dropped: list[Note] = []
        self.repaired: list[Note] = []
        self.errors: list[tuple[str, DataError]] = []
        self.label_files: list[Path] = []
        self.sequences = 0

    def take(self, key: str) -> None:
        """Turn one session folder into a clip, an unlabelled sequence or an error."""
        clip_id = f"{NAME}/{key}"
        try:
            label = label_file(self.emotions.get(key), EMOTION_FILE)
            frames = numbered(self.images[key], FRAME) if key in self.images else {}
            self.sequences += bool(frames or label)
            if label is None:
                self.dropped += [Note(clip_id, "no emotion label (empty session folder)")] if frames else []
                return
            peak, path = label
            self.label_files.append(path)
            name = self.labels.emotion(emotion(path))
            if name is None:
                self.dropped.append(Note(clip_id, "labelled neutral"))
            else:
                self.clips.append(self._clip(key, name, peak, frames))
        except DataError as error:
            self.errors.append((clip_id, error))

    def _clip(self, key: str, name: str, peak: int, frames: dict[int, Path]) -> Clip:
        first = min(frames, default=peak)
        if peak not in frames or first == peak:
            held = f"{len(frames)} frames" + (f", {first}…{max(frames)}" if frames else "")
            raise DataError(
                "a labelled sequence has at least two frames, up to the peak that its label file names",
                received=f"peak {peak}; {held}",
                fix="unpack extended-cohn-kanade-images.zip again",
            )
        paths, gap = span(frames, first, peak, needed=(first, peak))
        after = f"frames after the labelled peak {peak} left out" if max(frames) > peak else ""
        self.repaired += [Note(f"{NAME}/{key}", reason) for reason in (gap, after) if reason]
        return Clip(
            clip_id=f"{NAME}/{key}",
            database=NAME,
            subject=f"{NAME}/{key.split('/')[0]}",
            emotion=name,
            onset=0,
            apex=len(paths) - 1,
            offset=len(paths) - 1,
            action_units=self._action_units(key),
            fps=FPS,
            frames=paths,
            kind="macro",
        )

    def _action_units(self, key: str) -> tuple[int, ...] | None:
        """Rows of (unit, intensity); an intensity of 0 means present, strength unknown."""
        found = label_file(self.facs.get(key), FACS_FILE)
        if found is None:
            return None
        self.label_files.append(found[1])
        return tuple(sorted({int(row[0]) for row in floats(found[1])}))


def _refuse_small(root: Path, clips: list[Clip]) -> None:
    if not clips:
        raise DataError(
            "CK+ has labelled sequences",
            received=f"none below {root}",
            fix="unpack Emotion_labels.zip beside cohn-kanade-images",
        )
    width, height = image_size(clips[0].frames[0], clips[0].clip_id)
    if min(width, height) < SMALLEST:
        raise small_copy(f"frames of {width}×{height} pixels")

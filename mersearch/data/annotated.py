"""From annotations and folders of frames to clips: the rules that the readers share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mersearch.data.action_units import parse
from mersearch.data.annotation import NO_APEX, Annotation, Film
from mersearch.data.files import numbered, raise_clip_errors, span
from mersearch.data.labels import LabelSet, repair
from mersearch.data.table import Clip, Database, Note
from mersearch.errors import DataError


def read_annotated(
    film: Film,
    labels: LabelSet,
    annotations: Sequence[Annotation],
    folders: Mapping[str, Path],
    *,
    label_hash: str,
    label_file: str = "",
    aligned: bool | None = None,
) -> Database:
    """The clips of a label set from their annotations and their folders of frames.

    Args:
        film: how the frames are stored.
        labels: the label set.
        annotations: in the order of the label file.
        folders: lower-case clip id → folder of its frames.
        label_hash: of the label file(s).
        label_file: name of the file that has a row for every folder; empty where the folders are the annotation.
        aligned: whether the frames are face crops; None = they are where their names begin with `reg_`.

    Raises:
        DataError: clips break a rule (all of them in one message), or there is none.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for annotation in annotations:
        places[annotation.clip_id.lower()].append(annotation.where)
    gathering = _Gathering(film, labels, folders, places)
    errors: list[tuple[str, DataError]] = []
    for annotation in annotations:
        try:
            gathering.take(annotation)
        except DataError as error:
            errors.append((annotation.clip_id, error))
    raise_clip_errors(film.title, errors)
    if not gathering.clips:
        raise DataError(
            f"{film.title} has clips of the classes {', '.join(labels.classes)}",
            received=f"no clip at all in the label set {labels.name}",
            fix="use the whole label file",
        )
    return Database(
        name=film.database,
        clips=tuple(gathering.clips),
        classes=labels.classes,
        expected=dict(labels.expected),
        dropped=(*gathering.dropped, *(_unlabelled(annotations, folders, label_file) if label_file else ())),
        repaired=tuple(gathering.repaired),
        rows=len(annotations),
        label_hash=label_hash,
        aligned=_registered(gathering.clips) if aligned is None else aligned,
    )


def _unlabelled(
    annotations: Sequence[Annotation], folders: Mapping[str, Path], label_file: str
) -> Iterator[Note]:
    """A note for every folder of frames that no annotation names."""
    named = {annotation.clip_id.lower() for annotation in annotations}
    for key, folder in folders.items():
        if key not in named:
            yield Note(f"{key.rpartition('/')[0]}/{folder.name}", f"no row in {label_file}")


def _registered(clips: Sequence[Clip]) -> bool:
    kinds = {clip.frames[0].name.lower().startswith("reg_") for clip in clips}
    if len(kinds) > 1:
        raise DataError(
            "the frames of a database are all raw or all cropped (reg_…)",
            received="both",
            fix="keep the two releases in folders of their own",
        )
    return kinds.pop()


class _Gathering:
    """Clips and notes, gathered annotation by annotation."""

    def __init__(
        self, film: Film, labels: LabelSet, folders: Mapping[str, Path], places: Mapping[str, list[str]]
    ) -> None:
        self.film, self.labels, self.folders, self.places = film, labels, folders, places
        self.clips: list[Clip] = []
        self.dropped: list[Note] = []
        self.repaired: list[Note] = []

    def take(self, row: Annotation) -> None:
        """Turn one annotation into a clip or a dropped row."""
        others = list(self.places[row.clip_id.lower()])
        others.remove(row.where)
        if others:
            received, fix = f"also {', '.join(others)}", "remove the repeated row"
            raise DataError("a clip has one row", received=received, fix=fix)
        emotion = self.labels.emotion(row.emotion) if row.emotion else None
        reason = self._left_out(row, emotion)
        if emotion is None or reason:
            self.dropped.append(Note(row.clip_id, reason))
        else:
            self.clips.append(self._clip(row, emotion))

    def _left_out(self, row: Annotation, emotion: str | None) -> str:
        """Why the row is no clip of the label set; empty where it is one."""
        if not row.emotion:
            return "no emotion in the label file"
        if row.clip_id in self.labels.dropped:
            return self.labels.dropped[row.clip_id]
        if emotion is None:
            return f"{row.emotion.lower()} is not in the label set {self.labels.name}"
        known = repair(row.clip_id)
        return known.reason if known is not None and known.absent and not self._images(row) else ""

    def _repair(self, row: Annotation, reason: str) -> None:
        self.repaired.append(Note(row.clip_id, reason))

    def _images(self, row: Annotation) -> dict[int, Path]:
        folder = self.folders.get(row.clip_id.lower())
        return numbered(folder, self.film.frame) if folder else {}

    def _present(self, row: Annotation) -> dict[int, Path]:
        images = self._images(row)
        if images:
            return images
        folder = self.folders.get(row.clip_id.lower())
        raise DataError(
            f"a labelled clip has a folder of frames ({self.film.example})",
            received=f"{folder} without frames{_inside(folder)}" if folder else "no such folder",
            fix="unpack the archive of the frames again, or remove the row from the label file",
        )

    def _clip(self, row: Annotation, emotion: str) -> Clip:
        images = self._present(row)
        onset, offset = _number(row, "onset"), _number(row, "offset")
        units = parse(row.action_units)
        offset = self._offset(row, offset, images)
        apex = self._apex(row, onset, offset)
        if not onset <= apex <= offset:
            raise DataError(
                "onset ≤ apex ≤ offset",
                received=f"{onset}, {apex}, {offset} in {row.where} of the label file",
                fix="correct the row, or write / as the apex to use the middle of onset and offset",
            )
        frames, gap = span(images, onset, offset, needed=(onset, apex, offset))
        if gap:
            self._repair(row, gap)
        return Clip(
            clip_id=row.clip_id,
            database=self.film.database,
            subject=row.subject,
            emotion=emotion,
            onset=0,
            apex=apex - onset,
            offset=offset - onset,
            action_units=units,
            fps=self.film.fps,
            frames=frames,
            kind="micro",
        )

    def _offset(self, row: Annotation, labelled: int, images: dict[int, Path]) -> int:
        if labelled in images:
            return labelled
        known, last = repair(row.clip_id), max(images)
        if known is not None and known.offset in images:
            self._repair(row, known.reason)
            return known.offset
        if self.film.trimmed and labelled > last:
            self._repair(row, "the labelled offset is beyond the last frame: the clip ends with that frame")
            return last
        return labelled

    def _apex(self, row: Annotation, onset: int, offset: int) -> int:
        middle = (onset + offset) // 2
        if row.apex in NO_APEX:
            self._repair(row, f"no apex ({row.apex!r}): the middle of onset and offset")
            return middle
        labelled = _number(row, "apex")
        if onset <= labelled <= offset:
            return labelled
        known = repair(row.clip_id)
        if known is not None and known.apex is not None:
            self._repair(row, known.reason)
            return middle if known.apex == "middle" else known.apex
        if self.film.trimmed and onset <= offset:
            self._repair(row, "the labelled apex lies outside onset…offset: the middle of the two")
            return middle
        return labelled


def _number(row: Annotation, name: str) -> int:
    text: str = getattr(row, name)
    if not re.fullmatch(r"\d+(\.0+)?", text):
        raise DataError(
            f"the {name} is a frame number",
            received=f"{text!r} in {row.where} of the label file",
            fix="correct the row; a formula counts only with a stored value (save the workbook once more)",
        )
    return int(text.partition(".")[0])


def _inside(folder: Path) -> str:
    """What a folder without frames holds instead."""
    names = sorted(path.name for path in folder.iterdir())
    return f"; it holds {', '.join(names[:3])}{', …' if len(names) > 3 else ''}" if names else ""

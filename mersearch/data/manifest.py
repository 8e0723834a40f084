"""The general manifest: a table with a row for every clip, for whatever has no reader of its own.

SDU, in-house recordings and published flow features come in this way: docs/manifest.md says what the columns are.
There is no citation and no licence of its own; those of what the table lists hold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mersearch.data.files import raise_clip_errors, sha256
from mersearch.data.flow_maps import ARRAYS, PICTURES
from mersearch.data.labels import DERIVED, NAMED, LabelSet, derived, shared_label_set
from mersearch.data.manifest_clips import clip_of
from mersearch.data.manifest_people import People
from mersearch.data.manifest_table import Row, find_manifest, read_table
from mersearch.data.table import Clip, Database, Kind, Note
from mersearch.data.videos import VIDEOS
from mersearch.errors import DataError

NAME = "manifest"
ENDINGS = PICTURES | ARRAYS | VIDEOS


def read(root: Path, labels: str) -> Database:
    """The micro-expression clips of a manifest, under a label set or (`derived`) the classes that it holds.

    Raises:
        DataError: the table or clips break a rule; the message names lines and columns.
    """
    path, rows, others = _rows(root, "micro")
    label_sets = _label_sets(labels, rows)
    chosen = next(iter(label_sets.values()))
    return _database(path, rows, others, "micro", chosen, label_sets)


def read_macro(root: Path) -> Database:
    """The macro-expression clips of a manifest, with the classes that it holds.

    Raises:
        DataError: as `read`.
    """
    path, rows, others = _rows(root, "macro")
    chosen = derived(row["emotion"] for row in rows)
    return _database(path, rows, others, "macro", chosen, {})


def _rows(root: Path, kind: Kind) -> tuple[Path, list[Row], list[Row]]:
    """The file, its rows of a kind (a row that names none is of either), and the other rows."""
    path = find_manifest(root)
    rows = read_table(path)
    for row in rows:
        if row["kind"].lower() not in ("", "micro", "macro"):
            received = f"{row['kind']!r} in {row.where} of {path.name}, column kind"
            raise DataError("a clip is of the kind micro or macro", received=received, fix="correct the cell")
    other = "macro" if kind == "micro" else "micro"
    mine = [row for row in rows if row["kind"].lower() != other]
    if not mine:
        fix = "name a table with such rows, or leave the column kind empty"
        received = f"{path.name}: {len(rows)} rows, of the other kind"
        raise DataError(f"a manifest has {kind} clips", received=received, fix=fix)
    return path, mine, [row for row in rows if row["kind"].lower() == other]


def _label_sets(name: str, rows: Sequence[Row]) -> dict[str, LabelSet]:
    """Name of a database (lower case) → label set; the first holds for all that are not named."""
    if name.strip().lower() == DERIVED:
        return {"": derived(row["emotion"] for row in rows)}
    databases = dict.fromkeys(("", *(row["database"].lower() for row in rows)))
    return {database: shared_label_set(name, database) for database in databases}


def _database(
    path: Path,
    rows: Sequence[Row],
    others: Sequence[Row],
    kind: Kind,
    chosen: LabelSet,
    label_sets: dict[str, LabelSet],
) -> Database:
    gathering = _Gathering(path, kind, rows)
    errors: list[tuple[str, DataError]] = []
    for row in rows:
        try:
            gathering.take(row, label_sets.get(row["database"].lower(), chosen))
        except DataError as error:
            errors.append((row.where, error))
    raise_clip_errors(path.name, errors)
    clips = gathering.clips
    if not clips:
        fix = f"name another label set, or {DERIVED} ({NAMED})"
        received = f"no clip of {', '.join(chosen.classes)} in {path.name}"
        raise DataError(f"a manifest has clips of the label set {chosen.name}", received=received, fix=fix)
    if kind == "micro" and len({clip.emotion for clip in clips}) == 1:
        received, fix = f"only {clips[0].emotion} in {path.name}", "add clips of another class"
        raise DataError("there are at least two classes to tell apart", received=received, fix=fix)
    other = "macro" if kind == "micro" else "micro"
    left = [Note(gathering.name(row)[1], f"a {other} clip, for {other}=manifest") for row in others]
    return Database(
        name=NAME,
        clips=tuple(clips),
        classes=chosen.classes,
        expected=None,
        dropped=(*gathering.dropped, *left),
        repaired=tuple(gathering.repaired),
        rows=len(rows) + len(others),
        label_hash=sha256(path),
        aligned=not any(clip.pictured for clip in clips),
    )


def _emotion(row: Row, labels: LabelSet) -> str | None:
    try:
        return labels.emotion(row["emotion"])
    except DataError as error:
        raise DataError(f"column emotion: {error.rule}", received=error.received, fix=error.fix) from error


class _Gathering:
    """Clips and notes, gathered row by row."""

    def __init__(self, path: Path, kind: Kind, rows: Sequence[Row]) -> None:
        self.path, self.kind = path, kind
        self.occurs = Counter(self.name(row)[1].lower() for row in rows)
        self.filled = {column: [row for row in rows if row[column]] for column in ("frames", "flow")}
        self.count = len(rows)
        self.people = People(self.name(row)[0] for row in rows)
        self.clips: list[Clip] = []
        self.dropped: list[Note] = []
        self.repaired: list[Note] = []

    def name(self, row: Row) -> tuple[str, str]:
        """`<database>/<subject>`, and with the clip's own name; by default that of its frames or flow."""
        database = row["database"].lower() or NAME
        source = Path(row["frames"] or row["flow"])
        name = row["clip_id"] or (source.stem if source.suffix.lower() in ENDINGS else source.name)
        prefix = f"{database}/{row['subject']}"
        return prefix, name if name.startswith(f"{prefix}/") else f"{prefix}/{name}"

    def take(self, row: Row, labels: LabelSet) -> None:
        """Turn one row into a clip or a dropped row."""
        subject, clip_id = self.name(row)
        self._require_whole(row, subject, clip_id)
        emotion = _emotion(row, labels)
        if emotion is None:
            reason = f"{row['emotion'].lower()} is not in the label set {labels.name}"
            self.dropped.append(Note(clip_id, reason))
            return
        clip, notes = clip_of(row, self.path, clip_id, subject, emotion, self.kind)
        self.people.require_own(clip, row.where)
        self.clips.append(clip)
        self.repaired += [Note(clip_id, note) for note in notes]

    def _require_whole(self, row: Row, subject: str, clip_id: str) -> None:
        for column in ("subject", "emotion"):
            if not row[column]:
                raise DataError(f"column {column} is filled in", received="an empty cell", fix="fill it in")
        for column, filled in self.filled.items():
            if 0 < len(filled) < self.count and not row[column]:
                raise DataError(
                    f"column {column} is filled in for every clip or for none",
                    received=f"an empty cell, and {len(filled)} of {self.count} rows with {column}",
                    fix=f"fill in {column} everywhere, or leave it out",
                )
        if not row["frames"] and not row["flow"]:
            raise DataError(
                "column frames or flow names files", received="neither", fix="name a folder or file"
            )
        self.people.require_one_spelling(subject)
        parts = clip_id.removeprefix(f"{subject}/")
        if subject.count("/") != 1 or not parts or re.search(r"[/\\]", parts):
            raise DataError(
                "columns database, subject and clip_id hold plain names",
                received=repr(clip_id),
                fix="leave out / and \\; the database's and the subject's names are put before the clip's",
            )
        if (count := self.occurs[clip_id.lower()]) > 1:
            raise DataError(
                "column clip_id names each clip once",
                received=f"{clip_id!r} in {count} rows",
                fix="give every clip of a subject a name of its own in the column clip_id",
            )

"""The index of a finished cache, and what `prepare` hands on."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mersearch.data.table import Kind, Note, View
from mersearch.errors import DataError
from mersearch.seeds import digest

INDEX = "index.json"
LAYOUT = 1
"""Version of the files of a cache."""
ARRAYS: Mapping[View, tuple[str, np.dtype[Any]]] = {
    "rgb": ("rgb.npy", np.dtype(np.uint8)),
    "flow": ("flow.npy", np.dtype(np.int8)),
}
"""View → file and type of its array."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One clip of a cache, in the order of the rows."""

    clip_id: str
    subject: str
    emotion: str
    action_units: tuple[int, ...] | None
    content: str
    """Hash of the source frames that were used."""


@dataclass(frozen=True, slots=True)
class Index:
    """What `index.json` holds: everything about the arrays but the arrays."""

    key: str
    digest: str
    """SHA-256 over ids, subjects, labels, contents, parameters, and the versions of preprocessing and of OpenCV."""
    database: str
    kind: Kind
    settings: Mapping[str, Any]
    classes: tuple[str, ...]
    expected: Mapping[str, int] | None
    entries: tuple[Entry, ...]
    label_hash: str
    rows: int
    dropped: tuple[Note, ...]
    repaired: tuple[Note, ...]
    notes: tuple[Note, ...]
    """Clips whose alignment fell back."""
    views: tuple[View, ...] = ("rgb", "flow")
    """The arrays that are there."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Shape of every array, [N, 3, T, H, W]."""
        size = int(self.settings["size"])
        return (len(self.entries), 3, int(self.settings["frames"]), size, size)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the caches of a study are; small, and valid in every process that sees the same disk."""

    micro: Path
    macro: Path | None
    digest: str
    """The digest that the loaded data set has."""
    notes: tuple[Note, ...]


def joint_digest(indexes: Sequence[Index]) -> str:
    """The digest of the data set that these caches make together."""
    return digest([index.digest for index in indexes])


def write_index(folder: Path, index: Index) -> None:
    """Write the index whole or not at all; its presence says that the cache is complete."""
    draft = folder / f"{INDEX}.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump({"layout": LAYOUT, **dataclasses.asdict(index)}, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / INDEX)


def read_index(folder: Path) -> Index:
    """The index of a complete cache.

    Raises:
        DataError: there is none, or it is damaged or of another layout.
    """
    path = folder / INDEX
    fix = "prepare the data again; delete the folder if it was damaged"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError("A cache holds a readable index", received=f"{path}: {error}", fix=fix) from error
    if not isinstance(values, dict) or values.pop("layout", None) != LAYOUT:
        raise DataError(f"The index of a cache has layout {LAYOUT}", received=str(path), fix=fix)
    try:
        entries = tuple(Entry(**(entry | {"action_units": _units(entry)})) for entry in values.pop("entries"))
        notes = {
            name: tuple(Note(**note) for note in values.pop(name))
            for name in ("dropped", "repaired", "notes")
        }
        views = tuple(values.pop("views", ("rgb", "flow")))
        classes = tuple(values.pop("classes"))
        return Index(**(values | notes | {"classes": classes, "entries": entries, "views": views}))
    except (KeyError, TypeError) as error:
        raise DataError("The index of a cache has its keys", received=f"{path}: {error}", fix=fix) from error


def _units(entry: Mapping[str, Any]) -> tuple[int, ...] | None:
    return None if entry["action_units"] is None else tuple(entry["action_units"])

"""Label sets as data: which classes of a database are scored, and how many clips each should have."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from mersearch.errors import DataError


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The classes of a protocol, and how a database's own classes map to them."""

    name: str
    database: str
    mapping: Mapping[str, str | None]
    """Class of the database, lower case → class of the label set, or None where it is dropped."""
    classes: tuple[str, ...]
    """In the order of the logits."""
    expected: Mapping[str, int]
    """Clips per class in the published label file."""
    dropped: Mapping[str, str]
    """Clip id → why the protocol leaves this single clip out."""
    aliases: Mapping[str, str]
    """Other spellings of the database's classes."""

    def emotion(self, text: str) -> str | None:
        """The class that a label written as `text` belongs to, in any case; None where the set drops it.

        Raises:
            DataError: the database has no such class.
        """
        word = text.strip().lower()
        word = self.aliases.get(word, word)
        if word not in self.mapping:
            raise DataError(
                f"an emotion of {self.database} is one of: {', '.join(sorted(self.mapping))}",
                received=repr(text),
                fix="correct the label file; an unknown label is never skipped",
            )
        return self.mapping[word]


def label_sets(database: str | None = None) -> tuple[str, ...]:
    """Names of all label sets, or of those of one database."""
    return tuple(name for name, entry in _table().items() if database in (None, entry["database"]))


def label_set(name: str) -> LabelSet:
    """The label set of this name (any case).

    Raises:
        DataError: there is none; the message lists the valid names.
    """
    entry = _table().get(name.strip().lower())
    if entry is None:
        raise DataError(
            f"a label set is one of: {', '.join(label_sets())}",
            received=repr(name),
            fix="set data.labels to one of these names",
        )
    return LabelSet(
        name=name.strip().lower(),
        database=entry["database"],
        mapping=dict(entry["mapping"]),
        classes=tuple(entry["classes"]),
        expected={label: entry["expected"][label] for label in entry["classes"]},
        dropped=dict(entry.get("drops", {})),
        aliases=dict(entry.get("aliases", {})),
    )


@dataclass(frozen=True, slots=True)
class Repair:
    """A known fault of one published clip."""

    offset: int
    """Frame number that ends the clip where the labelled offset is not on disk."""
    reason: str


def repair(clip_id: str) -> Repair | None:
    """The known fault of this clip, if there is one."""
    entry = _read("repairs.yaml").get(clip_id)
    return Repair(offset=entry["offset"], reason=entry["reason"]) if entry else None


def _table() -> dict[str, dict[str, Any]]:
    return _read("label_sets.yaml")


@functools.cache
def _read(name: str) -> dict[str, dict[str, Any]]:
    import yaml

    content: dict[str, dict[str, Any]] = yaml.safe_load(
        resources.files("mersearch.data").joinpath(name).read_text()
    )
    return content

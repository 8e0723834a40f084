"""Label sets as data: which classes of a database are scored, and how many clips each should have."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal

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
    names = [name for owner, name in _entries() if database in (None, owner)]
    return tuple(dict.fromkeys(names))


def shared_label_sets() -> tuple[str, ...]:
    """Names of the label sets that more than one database has."""
    owners = Counter(name for _, name in _entries())
    return tuple(name for name, count in owners.items() if count > 1)


def label_set(name: str, database: str | None = None) -> LabelSet:
    """The label set of this name (any case), of this database.

    Args:
        name: several databases may have a label set of one name, as `megc2019`.
        database: whose; may be left out where only one database has it.

    Raises:
        DataError: there is none, or the database is not clear; the message lists the valid names.
    """
    wanted = name.strip().lower()
    owners = [owner for owner, found in _entries() if found == wanted]
    if not owners or database not in (None, *owners):
        whose = f", which belongs to {' and '.join(owners)}" if owners else ""
        raise DataError(
            f"a label set{f' of {database}' if database else ''} is one of: {', '.join(label_sets(database))}",
            received=f"{name!r}{whose}",
            fix=f"use one of these names: {NAMED}",
        )
    if database is None and len(owners) > 1:
        fix = "name the database too"
        raise DataError(f"{wanted} is a label set of {', '.join(owners)}", received="no database", fix=fix)
    owner = database or owners[0]
    entry = _entries()[owner, wanted]
    return LabelSet(
        name=wanted,
        database=owner,
        mapping=dict(entry["mapping"]),
        classes=tuple(entry["classes"]),
        expected={label: entry["expected"][label] for label in entry["classes"]},
        dropped=dict(entry.get("drops", {})),
        aliases=dict(_read("label_sets.yaml")[owner]["aliases"]),
    )


DERIVED = "derived"
"""The label set of a manifest that has the classes which it holds."""
NAMED = "data.labels=NAME, or --labels NAME of mersearch data"
"""Where a label set is named."""


def derived(emotions: Iterable[str]) -> LabelSet:
    """The label set whose classes are these emotions in any case, in alphabetical order."""
    classes = sorted({emotion.strip().lower() for emotion in emotions} - {""})
    return LabelSet(DERIVED, "the manifest", {name: name for name in classes}, tuple(classes), {}, {}, {})


def shared_label_set(name: str, database: str = "") -> LabelSet:
    """A label set by its name alone, for clips that may be of any database.

    Of several databases that have it, `database` decides if it is one of them; else their classes are taken
    together, and one that some of them score and others drop is scored.

    Raises:
        DataError: there is none; the message lists the valid names.
    """
    wanted = name.strip().lower()
    owners = [owner for owner, found in _entries() if found == wanted]
    if database in owners:
        return replace(label_set(wanted, database), expected={}, dropped={})
    if not owners:
        names = ", ".join((DERIVED, *label_sets()))
        fix = f"use one of these names: {NAMED}"
        raise DataError(f"a label set of a manifest is one of: {names}", received=repr(name), fix=fix)
    sets = [label_set(wanted, owner) for owner in owners]
    mapping: dict[str, str | None] = {}
    aliases: dict[str, str] = {}
    for one in sets:
        mapping |= {word: to for word, to in one.mapping.items() if to is not None or word not in mapping}
        aliases |= one.aliases
    aliases = {word: to for word, to in aliases.items() if word not in mapping}
    return replace(
        sets[0], database="the manifest", mapping=mapping, aliases=aliases, expected={}, dropped={}
    )


@dataclass(frozen=True, slots=True)
class Repair:
    """A known fault of one published clip, and what is done about it where a release shows it."""

    reason: str
    offset: int | None = None
    """Frame number that ends the clip where the labelled offset is not on disk."""
    apex: int | Literal["middle"] | None = None
    """Frame number of the apex where the labelled one is impossible; `middle` of onset and offset."""
    absent: bool = False
    """Whether the clip is left out where none of its frames is on disk."""


def repair(clip_id: str) -> Repair | None:
    """The known fault of this clip, if there is one."""
    entry = _read("repairs.yaml").get(clip_id)
    return Repair(**entry) if entry else None


def _entries() -> dict[tuple[str, str], dict[str, Any]]:
    """(database, name) → label set."""
    table = _read("label_sets.yaml")
    return {(owner, name): entry for owner in table for name, entry in table[owner]["sets"].items()}


@functools.cache
def _read(name: str) -> dict[str, dict[str, Any]]:
    import yaml

    content: dict[str, dict[str, Any]] = yaml.safe_load(
        resources.files("mersearch.data").joinpath(name).read_text()
    )
    return content

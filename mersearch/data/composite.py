"""Several databases as one: their clips under a common label set, with every subject left out once.

Subjects and clips bear the name of their database (`samm/006`), so nobody is taken for somebody else. Classes are the
same in every part, and in the same order. Nothing is weighted: a clip counts as a clip, wherever it comes from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mersearch.data.labels import label_sets
from mersearch.data.manifest_people import require_apart
from mersearch.data.readers import ANY, MICRO, known_micro, read_micro
from mersearch.data.table import Database
from mersearch.errors import ConfigError, DataError, MersearchError, raise_all
from mersearch.seeds import digest


def read_composite(roots: Mapping[str, Path], labels: str) -> Database:
    """The clips of all databases of `roots` (reader → folder) under the label set that they share.

    The databases come in the order of their names, whatever the order of `roots`.

    Raises:
        ConfigError: a database has no such label set.
        DataError: a database breaks a rule.
        Several: more than one database has something wrong.
    """
    require_common(roots, labels)
    parts: list[Database] = []
    errors: list[MersearchError] = []
    for name, root in sorted(roots.items()):
        try:
            parts.append(read_micro(name, root, labels))
        except DataError as error:
            errors.append(error)
    raise_all(errors)
    return combined(parts)


def require_common(roots: Mapping[str, Path], labels: str) -> None:
    """Raise where a database is unknown or lacks the label set; the message says which ones have it."""
    names = [known_micro(name) for name in sorted(roots)]
    wanted = labels.strip().lower()
    lacking = [name for name in names if name != ANY and wanted not in label_sets(name)]
    if lacking:
        having = [name for name in sorted(MICRO) if wanted in label_sets(name)]
        raise ConfigError(
            f"every database of a composite has the label set {wanted}",
            received=f"{', '.join(lacking)} without it",
            fix=f"leave {lacking[0]} out, or name a label set that all have; "
            f"{wanted} is one of {', '.join(having) or 'no database'}",
        )


def combined(parts: list[Database]) -> Database:
    """One table of several; the parts keep theirs.

    Raises:
        DataError: the classes differ, a clip or a database is there twice, or a person under two names.
    """
    if len({part.classes for part in parts}) > 1:
        raise DataError(
            "the databases of a composite have the same classes in the same order",
            received="; ".join(f"{part.name}: {', '.join(part.classes)}" for part in parts),
            fix="use a label set of all of them, such as megc2019",
        )
    clips = tuple(clip for part in parts for clip in part.clips)
    twice = [clip_id for clip_id, count in Counter(clip.clip_id for clip in clips).items() if count > 1]
    if twice:
        fix = "name every database once"
        raise DataError("a clip is in a composite once", received=", ".join(twice[:5]), fix=fix)
    require_apart(parts)
    known = [part.expected for part in parts if part.expected is not None]
    classes = parts[0].classes
    return Database(
        name="+".join(part.name for part in parts),
        clips=clips,
        classes=classes,
        expected={name: sum(one[name] for one in known) for name in classes}
        if len(known) == len(parts)
        else None,
        dropped=tuple(note for part in parts for note in part.dropped),
        repaired=tuple(note for part in parts for note in part.repaired),
        rows=sum(part.rows for part in parts),
        label_hash=digest([[part.name, part.label_hash] for part in parts]),
        aligned=all(part.aligned for part in parts),
        parts=tuple(parts),
    )

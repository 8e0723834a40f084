"""What a command line names: one reader with its folder, or several as `READER=FOLDER`, read from disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mersearch.data.composite import read_composite
from mersearch.data.files import holds_synthetic
from mersearch.data.labels import DERIVED, label_sets, shared_label_sets
from mersearch.data.readers import ANY, MACRO, known_reader, read_macro, read_micro
from mersearch.data.table import COMPOSITE, Database
from mersearch.errors import ConfigError

SHARED = "megc2019"
"""The label set of a composite for which none is named."""


@dataclass(frozen=True, slots=True)
class Given:
    """A database as it was named and read.

    Attributes:
        database: as the readers return it.
        labels: name of the label set; empty for macro clips.
        synthetic: names of the databases that mersearch wrote itself.
    """

    database: Database
    labels: str
    synthetic: frozenset[str]


def read_given(database: str, given: Sequence[str], labels: str | None = None) -> Given:
    """Read what is named.

    Args:
        database: a reader, `composite`, or a label set of several databases, which then is that of the composite.
        given: the folder, or several of `reader=folder`.
        labels: the label set; by default the first one of the reader, and `megc2019` for a composite.

    Raises:
        ConfigError: the folders do not fit the database.
        DataError, Several: a database cannot be read.
    """
    shared = database.strip().lower()
    if shared == COMPOSITE or shared in shared_label_sets():
        roots = _pairs(given)
        wanted = labels or (SHARED if shared == COMPOSITE else shared)
        return Given(read_composite(roots, wanted), wanted, _synthetic(roots))
    if len(given) != 1:
        raise ConfigError(
            "a database has one folder",
            received=f"{database} with {len(given)}: {', '.join(given)}",
            fix="several databases together: composite casme2=FOLDER samm=FOLDER …",
        )
    root = Path(given[0]).expanduser()
    if known_reader(database) in MACRO:
        return Given(read_macro(database, root), "", _synthetic({database: root}))
    wanted = labels or (DERIVED if database == ANY else label_sets(database)[0])
    return Given(read_micro(database, root, wanted), wanted, _synthetic({database: root}))


def _pairs(given: Sequence[str]) -> dict[str, Path]:
    pairs = [text.partition("=") for text in given]
    names = [name for name, _, _ in pairs]
    whole = all(name and folder for name, _, folder in pairs)
    if len(given) < 2 or not whole or len(set(names)) < len(names):
        raise ConfigError(
            "a composite has two or more databases, each once, as READER=FOLDER",
            received=" ".join(given) or "none",
            fix="as in: composite casme2=/data/CASME2 samm=/data/SAMM",
        )
    return {name: Path(folder).expanduser() for name, _, folder in pairs}


def _synthetic(roots: dict[str, Path]) -> frozenset[str]:
    return frozenset(name for name, root in roots.items() if holds_synthetic(root))

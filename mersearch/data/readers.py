"""Readers by name: where a database of the configuration becomes a table of clips."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mersearch.data import casme2, ckplus, manifest, mmew, mmew_macro, samm, smic
from mersearch.data.labels import LabelSet, label_set, shared_label_sets
from mersearch.data.table import COMPOSITE, Database
from mersearch.errors import DataError

MICRO: dict[str, Callable[[Path, LabelSet], Database]] = {
    reader.NAME: reader.read for reader in (casme2, samm, mmew, smic)
}
"""Databases of micro-expressions, read with a label set."""
MACRO: dict[str, Callable[[Path], Database]] = {reader.NAME: reader.read for reader in (ckplus, mmew_macro)}
"""Databases of macro-expressions, with classes of their own."""
ANY = manifest.NAME
"""The reader that takes either kind, from a table."""


def read_micro(database: str, root: Path, labels: str) -> Database:
    """The clips of a micro-expression database under a label set.

    Raises:
        DataError: no such reader or label set, or the database breaks a rule.
    """
    if database == ANY:
        with _readable(root):
            return manifest.read(Path(root), labels)
    reader = MICRO[known_micro(database)]
    chosen = label_set(labels, database)
    with _readable(root):
        return reader(Path(root), chosen)


def read_macro(name: str, root: Path) -> Database:
    """The clips of a macro-expression database.

    Raises:
        DataError: no such reader, or the database breaks a rule.
    """
    reader = (MACRO | {ANY: manifest.read_macro})[_known("macro-expression database", name, (*MACRO, ANY))]
    with _readable(root):
        return reader(Path(root))


@contextmanager
def _readable(root: Path) -> Iterator[None]:
    """What the system refuses while a database is read, as an error that names the file."""
    try:
        yield
    except OSError as error:
        raise DataError(
            "every folder and label file of a database can be read",
            received=f"{error.filename or root}: {error.strerror or error}",
            fix="check owner and rights, and that the disk is mounted",
        ) from error


def known_micro(name: str) -> str:
    """`name`, which is a reader of micro-expressions; DataError with all of them otherwise."""
    return _known("micro-expression database", name, (*MICRO, ANY))


def known_reader(name: str) -> str:
    """`name`, which is a reader of either kind; DataError with all of them, and the composites, otherwise."""
    return _known("database", name, (*MICRO, *MACRO, ANY), (COMPOSITE, *shared_label_sets()))


def _known(what: str, name: str, valid: Iterable[str], others: Iterable[str] = ()) -> str:
    """`name` where it is valid; the error names the `others` too."""
    if name in (known := set(valid)):
        return name
    names = sorted(known.union(others))
    close = difflib.get_close_matches(name.lower().replace("-", "").replace("+", "plus"), names, n=1)
    raise DataError(
        f"a {what} is one of: {', '.join(names)}",
        received=repr(name),
        fix=f"did you mean {close[0]}?" if close else "use one of these names",
    )

"""From the configuration to data that training can open: generate, read, preprocess."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from mersearch.config.records import Config, Data, Synthetic
from mersearch.cores import local_cores
from mersearch.data.cache_index import Prepared
from mersearch.data.files import is_synthetic
from mersearch.data.table import Database
from mersearch.errors import DataError

FOLDER = ".synthetic"
"""Synthetic databases are written below a folder of this name, and nowhere else."""
Report = Callable[[str, int, int], None]
"""Called with (what is done, clips finished, clips in all); (what, 0, 0) for what is not counted."""


@dataclass(frozen=True, slots=True)
class Material:
    """The databases of a configuration as they were read."""

    micro: Database
    macro: Database | None

    def without(self, subjects: Sequence[str]) -> Material:
        """The databases without every clip of these people, as `mersearch.data.subset.without` leaves them out.

        Raises:
            DataError: a name that no micro clip has.
        """
        from mersearch.data.subset import require_known

        require_known(subjects, self.micro.subjects)
        return Material(_without(self.micro, subjects), self.macro and _without(self.macro, subjects))


def _without(database: Database, subjects: Sequence[str]) -> Database:
    return dataclasses.replace(
        database,
        clips=tuple(clip for clip in database.clips if clip.subject not in subjects),
        parts=tuple(_without(part, subjects) for part in database.parts),
    )


def read(config: Config, report: Report) -> Material:
    """Read the databases; a synthetic one is written to disk first when it is not there yet.

    Raises:
        DataError: a database breaks a rule, or a person is named otherwise among the macro clips.
        Interrupted: the disk is full while a synthetic database is written.
    """
    from mersearch.data.manifest_people import require_apart
    from mersearch.data.readers import read_macro

    macro = config.macro
    micro = _micro(config.data, report)
    if not macro.present or macro.root is None:
        return Material(micro, None)
    _generate(macro.root, macro.synthetic, report)
    report(f"reading {macro.database}", 0, 0)
    posed = read_macro(macro.database, Path(macro.root).expanduser())
    require_apart((micro, posed))
    return Material(micro, posed)


def _micro(data: Data, report: Report) -> Database:
    from mersearch.data.composite import read_composite
    from mersearch.data.readers import read_micro

    roots = {name: Path(root).expanduser() for name, root in data.folders.items()}
    for name, root in roots.items():
        _generate(str(root), data.generated.get(name), report)
    report(f"reading {' and '.join(roots)}", 0, 0)
    if data.composite:
        return read_composite(roots, data.labels)
    return read_micro(data.database, roots[data.database], data.labels)


def preprocess(config: Config, material: Material, report: Report) -> Prepared:
    """Bring every clip into the cache; finished clips of an interrupted call are kept.

    Raises:
        DataError: a frame is missing or unreadable.
        Interrupted: the disk is full, or an interrupt came.
    """
    from mersearch.data.cache import prepare

    report("looking at the frames of the clips", 0, 0)
    return prepare(
        material.micro,
        material.macro,
        config.preprocess,
        Path(config.cache).expanduser(),
        workers=local_cores(),
        progress=lambda done, total: report("preprocessing clips", done, total),
    )


def _generate(root: str, synthetic: Synthetic | None, report: Report) -> None:
    target = Path(root).expanduser()
    if synthetic is None or is_synthetic(target):
        return
    if os.path.lexists(target) or FOLDER not in target.parts:
        raise DataError(
            "a synthetic database is one that mersearch wrote itself",
            received=f"{target} {'is none' if os.path.lexists(target) else 'does not exist'}",
            fix="for a database of your own name its reader too: data=casme2 data.root=…, macro=ckplus macro.root=…",
        )
    from mersearch.data.synthetic import synthesize

    with _scratch(target) as unfinished:
        synthesize(
            unfinished,
            synthetic.layout,
            subjects=synthetic.subjects,
            seed=synthetic.seed,
            difficulty=synthetic.difficulty,
            clips=None if synthetic.clips == "auto" else synthetic.clips,
            habits=synthetic.habits,
            workers=local_cores(),
            progress=lambda done, total: report(f"writing synthetic {synthetic.layout}", done, total),
        )
        try:
            unfinished.rename(target)
        except OSError as error:
            if os.path.lexists(target):  # another process was faster, and wrote the same
                return
            raise DataError(
                "the synthetic database can be put in its place",
                received=f"{target}: {error.strerror or error}",
                fix="name another folder: run.root=…",
            ) from error


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A folder beside `target`, locked while this process lives; what killed processes left is removed."""
    prefix = f".{target.name}.unfinished-"
    for stale in target.parent.glob(f"{escape(prefix)}*"):
        with _locked(stale) as ours:
            if ours:
                shutil.rmtree(stale, ignore_errors=True)
    folder = target.with_name(f"{prefix}{os.getpid()}")
    with suppress(OSError):  # what cannot be written is said by whoever writes there
        folder.mkdir(parents=True)
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Try to lock a folder; whether it is ours while the context lasts (never on a file system without locks)."""
    with ExitStack() as stack:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True

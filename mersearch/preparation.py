"""From the configuration to data that training can open: generate, read, preprocess."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mersearch.config.records import Config, Synthetic
from mersearch.data.cache_index import Prepared
from mersearch.data.table import Database
from mersearch.errors import DataError

Report = Callable[[str, int, int], None]
"""Called with (what is done, clips finished, clips in all)."""


@dataclass(frozen=True, slots=True)
class Material:
    """The databases of a configuration as they were read."""

    micro: Database
    macro: Database | None


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def read(config: Config, report: Report) -> Material:
    """Read the databases; a synthetic one is written to disk first when it is not there yet.

    Raises:
        DataError: a database breaks a rule.
        Interrupted: the disk is full while a synthetic database is written.
    """
    from mersearch.data.readers import read_macro, read_micro

    data, macro = config.data, config.macro
    _generate(data.root, data.synthetic, report)
    micro = read_micro(data.database, Path(data.root).expanduser(), data.labels)
    if not macro.present or macro.root is None:
        return Material(micro, None)
    _generate(macro.root, macro.synthetic, report)
    return Material(micro, read_macro(macro.database, Path(macro.root).expanduser()))


def preprocess(config: Config, material: Material, report: Report) -> Prepared:
    """Bring every clip into the cache; finished clips of an interrupted call are kept.

    Raises:
        DataError: a frame is missing or unreadable.
        Interrupted: the disk is full, or an interrupt came.
    """
    from mersearch.data.cache import prepare

    return prepare(
        material.micro,
        material.macro,
        config.preprocess,
        Path(config.cache).expanduser(),
        workers=cores(),
        progress=lambda done, total: report("preprocessing clips", done, total),
    )


def _generate(root: str, synthetic: Synthetic | None, report: Report) -> None:
    target = Path(root).expanduser()
    if synthetic is None or os.path.lexists(target):
        return
    from mersearch.data.synthetic import synthesize

    unfinished = target.with_name(f".{target.name}.unfinished-{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    synthesize(
        unfinished,
        synthetic.layout,
        subjects=synthetic.subjects,
        seed=synthetic.seed,
        difficulty=synthetic.difficulty,
        clips=synthetic.clips,
        workers=cores(),
        progress=lambda done, total: report(f"writing synthetic {synthetic.layout}", done, total),
    )
    try:
        unfinished.rename(target)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if os.path.lexists(target):  # another process was faster, and wrote the same
            return
        raise DataError(
            "the synthetic database can be put in its place",
            received=f"{target}: {error.strerror or error}",
            fix="name another folder: run.root=…",
        ) from error

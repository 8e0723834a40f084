"""Where a number came from: code, data, numeric mode and environment of a run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mersearch import __version__
from mersearch.config.records import Config
from mersearch.data.cache_index import Prepared, read_index
from mersearch.data.table import Database, Note
from mersearch.numerics import Mode
from mersearch.preparation import Material

PACKAGES = ("numpy", "opencv-python-headless", "optuna", "pandas", "ray", "torch")


def describe(config: Config, material: Material, prepared: Prepared, mode: Mode) -> dict[str, Any]:
    """What `provenance.json` holds beside the protocol version and the folds."""
    folders = [folder for folder in (prepared.micro, prepared.macro) if folder is not None]
    return {
        "code": {"version": __version__, "sources": sources(config.algorithm.name)},
        "data": {
            "digest": prepared.digest,
            "labels": config.data.labels,
            "synthetic": config.data.synthetic is not None,
            "databases": [_database(d) for d in (material.micro, material.macro) if d is not None],
            "notes": _notes(prepared.notes),
            "caches": [str(folder.absolute()) for folder in folders],
            "preprocessing": dict(read_index(prepared.micro).settings),
        },
        "mode": mode,
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES if _installed(name)},
        },
    }


def sources(algorithm: str) -> str:
    """SHA-256 over the source files of the platform and of the package that holds the algorithm."""
    packages = dict.fromkeys(["mersearch", algorithm.partition(":")[0].partition(".")[0]])
    total = hashlib.sha256()
    for package in packages:
        for file in _files(package):
            total.update(f"{package}/{file.name}\0".encode() + file.read_bytes())
    return total.hexdigest()


def _files(package: str) -> Iterable[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None:
        return ()
    if not spec.submodule_search_locations:
        return (Path(spec.origin),) if spec.origin else ()
    return sorted(Path(spec.submodule_search_locations[0]).rglob("*.py"))


def _database(database: Database) -> dict[str, Any]:
    return {
        "name": database.name,
        "label_file": database.label_hash,
        "rows": database.rows,
        "clips": len(database.clips),
        "subjects": len(database.subjects),
        "dropped": _notes(database.dropped),
        "repaired": _notes(database.repaired),
    }


def _notes(notes: Iterable[Note]) -> list[list[str]]:
    return [[note.clip_id, note.reason] for note in notes]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

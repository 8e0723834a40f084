"""Where a number came from: code, data, numeric mode and environment of a run."""

from __future__ import annotations

import dataclasses
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
from mersearch.data.files import holds_synthetic
from mersearch.data.table import Database, Note
from mersearch.holdings import Holdings
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
            **read_from(config, material),
            "synthetic": any(
                holds_synthetic(Path(root).expanduser()) for root in config.data.folders.values()
            ),
            "holds": dataclasses.asdict(Holdings.of(material)),
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


def read_from(config: Config, material: Material) -> dict[str, Any]:
    """What the section `data` holds that is known before anything is preprocessed: what two runs compare by."""
    databases = [_database(d) for d in (material.micro, material.macro) if d is not None]
    return {"labels": config.data.labels, "databases": databases}


def sources(algorithm: str) -> str:
    """SHA-256 over the source files of the platform and of the package that holds the algorithm."""
    packages = dict.fromkeys(["mersearch", algorithm.partition(":")[0].partition(".")[0]])
    total = hashlib.sha256()
    for package in packages:
        for place, file in sorted(_files(package).items()):
            total.update(f"{package}/{place}\0".encode() + file.read_bytes())
    return total.hexdigest()


def _files(package: str) -> dict[str, Path]:
    """Path inside the package → source file; the only file of a module that is no package."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return {}
    if not spec.submodule_search_locations:
        return {Path(spec.origin).name: Path(spec.origin)} if spec.origin else {}
    root = Path(spec.submodule_search_locations[0])
    return {file.relative_to(root).as_posix(): file for file in root.rglob("*.py")}


def _database(database: Database) -> dict[str, Any]:
    return {
        "name": database.name,
        "label_file": database.label_hash,
        "rows": database.rows,
        "clips": len(database.clips),
        "subjects": len(database.subjects),
        "dropped": _notes(database.dropped),
        "repaired": _notes(database.repaired),
        **({"parts": [_database(part) for part in database.parts]} if database.parts else {}),
    }


def _notes(notes: Iterable[Note]) -> list[list[str]]:
    return [[note.clip_id, note.reason] for note in notes]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

"""A configuration refitted on all clips, as one safetensors file that says what it is."""

from __future__ import annotations

import json
from pathlib import Path

from mersearch.disk import is_full
from mersearch.errors import Interrupted, MersearchError, RunError
from mersearch.opening import Ready

FORMAT = 1
"""Version of the metadata of a model file."""


def train(ready: Ready, file: Path) -> Path:
    """Train on all clips, nobody held out, and write `file`.

    The metadata holds the configuration, the classes, the provenance and the format; parameters are named
    `parameters.<name>`, the state `state.<name>`.

    Raises:
        TrialFailure: training left the finite numbers.
        RunError: the file cannot be written.
        Interrupted: the disk is full.
    """
    from safetensors.torch import save

    from mersearch.training import train_all

    config = ready.study.config
    worker = ready.study.open()
    parameters, state = train_all(worker.algorithm({}), worker.data, config.run.seed)
    tensors = {f"parameters.{name}": value.contiguous() for name, value in parameters.items()}
    tensors |= {f"state.{name}": value.contiguous() for name, value in state.items()}
    metadata = {
        "mersearch": str(FORMAT),
        "config": json.dumps(config.to_dict()),
        "classes": json.dumps(worker.data.shapes.emotions),
        "provenance": json.dumps(ready.provenance),
    }
    _replace(file, save(tensors, metadata))
    return file


def require_writable(file: Path) -> None:
    """Raise what writing the model would raise, before work is spent on it."""
    if file.is_dir():
        raise RunError("the model file is a file", received=f"{file} is a folder", fix="name a file: -o FILE")
    draft = _draft(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise _refused(error, file) from error


def _replace(file: Path, data: bytes) -> None:
    draft = _draft(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _refused(error, file) from error


def _draft(file: Path) -> Path:
    return file.with_name(f".{file.name}.tmp")


def _refused(error: OSError, file: Path) -> MersearchError:
    received = f"{file}: {error.strerror or error}"
    if is_full(error):
        fix = "make room and run the command again, or name a file on another disk: -o FILE"
        return Interrupted("disk full while the model was written", received=received, fix=fix)
    return RunError("the model file is writable", received=received, fix="name another: -o FILE")

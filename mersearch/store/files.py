"""Bytes to disk so that a crash leaves the old file or the new one, and what a failing disk means to a run."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from mersearch.disk import is_full
from mersearch.errors import Interrupted, MersearchError, RunError


def failure(error: OSError, path: Path, run: Path | None) -> MersearchError:
    """What a failed write to `path` means: `Interrupted` for a full or failing disk, else `RunError`.

    Args:
        error: what the system said.
        path: what was to be written.
        run: the run that is interrupted; None where the file is no part of a run.
    """
    what = "the run" if path == run else f"{path.name} of the run" if run else path.name
    received = f"{path}: {error.strerror or error}"
    if is_full(error):
        return Interrupted(
            f"disk full or failing at a write to {what}; everything finished is kept",
            received=received,
            fix=f"make room, then {f'go on: mersearch resume {run}' if run else 'run the command again'}",
        )
    return RunError(
        f"{what} must be writable",
        received=received,
        fix="check owner and rights of the folder and that it is not mounted read-only, or name another",
    )


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, usually with one `write`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def replace(path: Path, data: bytes, run: Path | None) -> None:
    """Put `data` at `path` in one step: temporary file, fsync, rename.

    Raises:
        Interrupted: the disk is full; `path` is as before.
        RunError: the place is not writable.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise failure(error, path, run) from error


def new_folder(folder: Path, run: Path | None) -> Path:
    """Make a folder where it is missing; raises as `replace`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failure(error, folder, run) from error
    return folder


def require_writable(file: Path, what: str) -> None:
    """Raise what writing `file` would raise, before work is spent on it; folders above it are made.

    Args:
        file: that is to be written.
        what: it is to the user, as `the model file`.

    Raises:
        RunError: it is a folder, or the place is not writable.
        Interrupted: the disk is full.
    """
    if file.is_dir():
        raise RunError(f"{what} is a file", received=f"{file} is a folder", fix="name a file: -o FILE")
    new_folder(file.parent, None)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}.try")
    replace(draft, b"", None)
    draft.unlink()


def sync_folder(folder: Path) -> None:
    """Make names that were created or renamed in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

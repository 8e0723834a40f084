"""Results of training on macro clips alone, on disk: a file each, whole or not there, and computed by one process."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mersearch.algorithm import Parameters
from mersearch.training.pretrained import Pretrained

LAYOUT = 1
"""Version of the files."""
_ABOUT = "about"
_CHECK = hashlib.sha256().digest_size


def kept(folder: Path, key: str, compute: Callable[[], Pretrained]) -> Pretrained:
    """What `compute` gives, from `folder` where any process has computed it before.

    One process computes, and others that want the same wait for it. What was interrupted, or cannot be read, is
    computed again. Where the folder cannot be written, it is computed here and not kept.
    """
    file = folder / f"{key}.npz"
    found = read(file, key)
    if found is not None:
        return found
    with _locked(folder, key):
        found = read(file, key)
        if found is None:
            found = compute()
            _write(file, found)
        return found


def read(file: Path, key: str) -> Pretrained | None:
    """What `file` holds of `key`; None where it is not there or not what was written."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    body, check = content[:-_CHECK], content[-_CHECK:]
    if hashlib.sha256(body).digest() != check:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        about = json.loads(arrays[_ABOUT].tobytes())
        if (about["layout"], about["key"]) != (LAYOUT, key):
            return None
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != _ABOUT}
    parameters, state = (_part(tensors, kind) for kind in ("parameters", "state"))
    return Pretrained(parameters, state, about["diagnostics"], frozenset(about["seen"]), key)


def _part(tensors: Parameters, kind: str) -> Parameters:
    start = f"{kind}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _packed(result: Pretrained) -> bytes:
    """An .npz archive, followed by its SHA-256."""
    about = {
        "layout": LAYOUT,
        "key": result.key,
        "seen": sorted(result.seen),
        "diagnostics": result.diagnostics,
    }
    arrays: dict[str, NDArray[Any]] = {_ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}
    for kind, tensors in (("parameters", result.parameters), ("state", result.state)):
        arrays |= {f"{kind}.{name}": value.numpy() for name, value in tensors.items()}
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **arrays)
    return body.getvalue() + hashlib.sha256(body.getvalue()).digest()


def _write(file: Path, result: Pretrained) -> None:
    """Put the file in its place in one step; nothing where there is no room or no right to."""
    draft = file.with_suffix(".draft")
    with contextlib.suppress(OSError):
        try:
            with draft.open("wb") as out:
                out.write(_packed(result))
                out.flush()
                os.fsync(out.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(folder: Path, key: str) -> Iterator[None]:
    """Compute alone, after whoever computes the same now; a process that dies lets go.

    Without locks, or without the right to write, several processes compute the same bits.
    """
    lock = folder / f"{key}.lock"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(lock.open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
            stack.callback(_remove, lock)
        yield


def _remove(lock: Path) -> None:
    """What the lock was for is there now, or could not be computed: whoever waits looks for it first."""
    with contextlib.suppress(OSError):
        lock.unlink(missing_ok=True)

"""A seed is a hash of named axes (study, fold, purpose), so no draw depends on what was drawn before it."""

from __future__ import annotations

import hashlib
import json

import numpy as np

Axis = str | int


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON text of `value`, as 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seed(*axes: Axis) -> int:
    """A seed in [0, 2**62) for these axes: the same on every machine and in every process.

    >>> seed("study", 0, "casme2/01", "init") == seed("study", 0, "casme2/01", "init")
    True
    """
    return int(digest(list(axes)), 16) % 2**62


def generator(*axes: Axis) -> np.random.Generator:
    """A NumPy generator seeded by `seed(*axes)`."""
    return np.random.Generator(np.random.PCG64(seed(*axes)))

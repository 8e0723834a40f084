"""Preprocessed clips in memory: what training reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mersearch.algorithm import Labels, Shapes


@dataclass(frozen=True, slots=True)
class Clips:
    """Clips of one kind, in the order of the cache.

    Attributes:
        ids: clip ids [N].
        rgb: uint8 [N, 3, T, H, W], or None. May be a memory map.
        flow: int8 [N, 3, T, H, W] (u, v, strain; ±127 is ± the clipping scale), or None. May be a memory map.
        labels: labels of the N clips.
        subjects: subject names; `labels.subject` indexes into it.
    """

    ids: tuple[str, ...]
    rgb: NDArray[np.uint8] | None
    flow: NDArray[np.int8] | None
    labels: Labels
    subjects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class DataSet:
    """Everything a study trains on."""

    micro: Clips
    macro: Clips | None
    shapes: Shapes
    digest: str
    """SHA-256 over clip ids, labels, frame contents and preprocessing parameters of all clips."""

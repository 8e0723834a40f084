"""Clips drawn as index arrays: from pools, in balance over classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pools:
    """Ragged lists of clips: pool r is `clips[start[r] : start[r] + count[r]]`."""

    clips: Index
    start: Index
    count: Index

    @classmethod
    def of(cls, lists: Sequence[Index]) -> Pools:
        """Pools from one array of clips each."""
        count = np.array([len(clips) for clips in lists], dtype=np.int64)
        clips = np.concatenate([np.zeros(0, np.int64), *lists])
        return cls(clips, np.cumsum(count) - count, count)

    def draw(self, rng: np.random.Generator, pool: Index) -> Index:
        """One clip of each pool, all equally likely; −1 from an empty pool."""
        count = self.count[pool]
        place = self.start[pool] + np.floor(rng.random(pool.shape) * count).astype(np.int64)
        padded = np.append(self.clips, -1)
        return np.where(count > 0, padded[np.where(count > 0, place, -1)], -1)


def anchors(
    rng: np.random.Generator, emotion: Index, classes: int, shape: tuple[int, int], balance: float
) -> Index:
    """Clips [S, Q] whose class rates are ∝ n^(1 − balance) in every step, up to rounding.

    Classes are drawn by systematic sampling within a step, clips from an endless reshuffled stream per class: no clip
    comes up again before the others of its class have.
    """
    S, Q = shape
    rates = class_rates(emotion, classes, balance)
    position = (rng.random((S, 1)) + np.arange(Q)) / Q
    chosen = np.searchsorted(np.cumsum(rates)[:-1], position, side="right")
    result = np.zeros(shape, dtype=np.int64)
    for label in np.flatnonzero(rates):
        taken = chosen == label
        result[taken] = _stream(rng, np.flatnonzero(emotion == label), int(taken.sum()))
    return result


def class_rates(emotion: Index, classes: int, balance: float) -> NDArray[np.float64]:
    """Share of every class [L] among the anchors: ∝ n^(1 − balance), 0 for a class without clips."""
    count = np.bincount(emotion, minlength=classes).astype(np.float64)
    rates: NDArray[np.float64] = np.where(count > 0, np.maximum(count, 1) ** (1 - balance), 0.0)
    rates /= rates.sum()
    return rates


def weights(emotion: Index, exists: NDArray[np.bool_], rates: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weights [S, B], mean 1 over the existing clips, that give every class the total share of its rate."""
    seen = np.bincount(emotion[exists], minlength=len(rates))
    share = rates * exists.sum() / np.maximum(seen, 1)
    return np.where(exists, share[emotion], 0).astype(np.float32)


def _stream(rng: np.random.Generator, clips: Index, length: int) -> Index:
    rounds = -(-length // len(clips))
    return clips[np.argsort(rng.random((rounds, len(clips))), axis=1)].reshape(-1)[:length]

"""The folds of a run: frozen order, chunks, and the clips behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """What every trial of a run walks through; stored with the provenance.

    Attributes:
        subjects: one fold per subject, in the frozen order [K].
        chunk: folds computed as one unit; the last chunk may be smaller.
        classes: class names, in the order of the logits [L].
        counts: clips per subject (frozen order) and class, [K][L].
    """

    subjects: tuple[str, ...]
    chunk: int
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        shape = (len(self.subjects), len(self.classes))
        if self.chunk < 1 or not self.subjects or np.shape(self.counts) != shape:
            raise ValueError(f"chunk {self.chunk} must be positive and counts be {shape}: {self.counts}")

    def __len__(self) -> int:
        return len(self.subjects)

    def next_chunk(self, done: int) -> tuple[str, ...]:
        """The subjects of the chunk that follows `done` finished folds; empty at the end."""
        return self.subjects[done : done + self.chunk]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "subjects": list(self.subjects),
            "chunk": self.chunk,
            "classes": list(self.classes),
            "counts": [list(row) for row in self.counts],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FoldPlan:
        """The inverse of `to_dict`; KeyError, TypeError or ValueError where something is missing."""
        counts = tuple(tuple(int(count) for count in row) for row in values["counts"])
        return cls(tuple(values["subjects"]), int(values["chunk"]), tuple(values["classes"]), counts)

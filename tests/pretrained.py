"""The toy with its macro stage run once for all folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from mersearch.algorithm import Stage
from mersearch.data.clips import DataSet
from mersearch.testing.clips import small_dataset
from mersearch.training import pretraining
from tests.toy import Settings, Toy

NAMED = ("steps", "width", "lr", "optimiser", "clip_norm", "batch", "macro")
"""All settings of the toy but the dropout, which is therefore at its default in the shared stage."""


class Shared(Toy):
    """The stage `macro` belongs to no fold."""

    named: tuple[str, ...] = NAMED

    def stages(self) -> tuple[Stage, ...]:
        return tuple(
            dataclasses.replace(stage, shared=self.named) if stage.name == "macro" else stage
            for stage in super().stages()
        )


class Hidden(Shared):
    """Does not say what its shared stage depends on."""

    named = ("dropout",)


def shared(dataset: DataSet, **changes: Any) -> Shared:
    """A configuration for the shapes of `dataset`."""
    return Shared(Settings(**{"steps": 20, "macro": True, "clip_norm": 0.5, **changes}), dataset.shapes)


def with_people(dataset: DataSet, people: Sequence[str]) -> DataSet:
    """`dataset` whose macro clips are of these people, who may be those of micro clips."""
    assert dataset.macro is not None
    return dataclasses.replace(dataset, macro=dataclasses.replace(dataset.macro, subjects=tuple(people)))


def relatives() -> DataSet:
    """Two of four people are on macro clips too, as in MMEW."""
    return with_people(small_dataset((4, 3, 1, 5), size=16, macro=True), ("micro/00", "micro/03"))


@contextmanager
def counted() -> Iterator[list[str]]:
    """The keys of all that is computed while the context lasts."""
    keys: list[str] = []
    compute = pretraining.pretrain

    def counting(*arguments: Any) -> Any:
        keys.append(arguments[-1])
        return compute(*arguments)

    with patch.object(pretraining, "pretrain", counting):
        yield keys

"""Stages on macro clips alone, run once: no micro clip reaches them, and every fold begins with what they leave."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from mersearch.algorithm import Algorithm
from mersearch.data.clips import DataSet
from mersearch.data.folds import folds
from mersearch.testing.comparing import changed
from mersearch.testing.held_out import REPLACEMENTS, with_replaced
from mersearch.testing.subject import SEED, Subject, split_of
from mersearch.training import DeviceData, Fitted, Pretraining
from mersearch.training.pretrained import Pretrained
from mersearch.training.stages import shared_stages


class SharedContract(Subject):
    """Skipped where no stage has `shared`."""

    def test_no_micro_clip_reaches_a_shared_stage(self) -> None:
        """Noise in place of all of them, or other labels: the same bits."""
        data = self.data()
        (first,) = _starts(self._sharing(data), data, first=True).values()
        for what in REPLACEMENTS:
            other = with_replaced(data, np.arange(len(data.micro)), what)
            (second,) = _starts(self._sharing(other), other, first=True).values()
            assert not changed(_fitted(first), _fitted(second)), f"{what} of the micro clips"

    def test_folds_that_see_the_same_macro_clips_begin_with_the_same(self) -> None:
        """All of them where nobody is on both kinds of clips; else whoever is has one without their own clips."""
        data = self.data()
        starts = _starts(self._sharing(data), data)
        assert len({start.key for start in starts.values()}) == 1, "one for all folds"
        relatives = _related(data)
        starts = _starts(self._sharing(relatives), relatives)
        for subject, start in starts.items():
            assert subject not in start.seen, f"fold {subject} begins with a training that has seen {subject}"
        assert len({start.key for start in starts.values()}) == 3, "two people are on both kinds of clips"

    def test_what_a_shared_stage_leaves_can_be_kept(self, tmp_path: Path) -> None:
        """Read by another process, it has the same bits."""
        data = self.data()
        algorithm = self._sharing(data)
        first, second = (_starts(algorithm, data, tmp_path, first=True) for _ in range(2))
        assert len(list(tmp_path.glob("*.npz"))) == 1
        for subject, start in first.items():
            assert not changed(_fitted(start), _fitted(second[subject])), f"fold {subject}"

    def _sharing(self, data: DataSet) -> Algorithm:
        """The algorithm, where it has shared stages."""
        algorithm = self.build(data)
        if not shared_stages(algorithm):
            pytest.skip(f"{self.algorithm} has no shared stage with these settings")
        return algorithm


def _starts(
    algorithm: Algorithm, data: DataSet, folder: Path | None = None, *, first: bool = False
) -> Mapping[str, Pretrained]:
    """What all folds begin with, or the first one."""
    splits = [split_of(fold) for fold in folds(data)[: 1 if first else None]]
    device = DeviceData.from_dataset(data)
    return Pretraining(folder).starts(algorithm, device, splits, SEED, torch.float32).found


def _fitted(start: Pretrained) -> Fitted:
    return Fitted(start.parameters, start.state, start.diagnostics)


def _related(data: DataSet) -> DataSet:
    """`data` whose macro clips are of two of its micro subjects."""
    assert data.macro is not None, "the suite trains with macro clips"
    people = data.micro.subjects[: len(data.macro.subjects)]
    return dataclasses.replace(data, macro=dataclasses.replace(data.macro, subjects=people))

"""Nothing of the held-out person reaches the training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from mersearch.algorithm import Shapes
from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import folds
from mersearch.testing.comparing import changed
from mersearch.testing.subject import Subject, fitted, fitted_together, trained

REPLACEMENTS = ("noise", "labels")


class HeldOutContract(Subject):
    """The held-out clips may be anything, and so may their labels."""

    @pytest.mark.parametrize("what", REPLACEMENTS)
    def test_replacing_what_is_held_out_changes_no_bit_of_the_training(self, what: str) -> None:
        """Parameters, state and diagnostics, for two folds."""
        data = self.data()
        for fold in folds(data)[:2]:
            other = with_replaced(data, fold.test, what)
            first, second = (fitted(self.build(each), each, fold) for each in (data, other))
            assert not changed(first, second), f"{what} of the held-out clips of {fold.subject}"

    @pytest.mark.parametrize("what", REPLACEMENTS)
    def test_nor_does_it_where_folds_are_trained_as_one_program(self, what: str) -> None:
        """The other fold of the program trains on these clips, and does change."""
        data = self.data()
        own, other = folds(data)[:2]
        changes = with_replaced(data, own.test, what)
        first, second = (fitted_together(self.build(each), each, (own, other)) for each in (data, changes))
        assert not changed(first[own.subject], second[own.subject]), f"{what} of {own.subject}"
        assert changed(first[other.subject], second[other.subject]), "nothing changed"

    @pytest.mark.parametrize("what", REPLACEMENTS)
    def test_replacing_a_training_clip_changes_the_training(self, what: str) -> None:
        """So that the test above does not pass because nothing is read."""
        data = self.data()
        fold = folds(data)[0]
        other = with_replaced(data, fold.train, what)
        first, second = (fitted(self.build(each), each, fold) for each in (data, other))
        assert any(name.startswith("parameter") for name in changed(first, second)), "nothing changed"

    def test_held_out_labels_change_no_logit(self) -> None:
        """`predict` has no way to them."""
        data = self.data()
        fold = folds(data)[0]
        other = with_replaced(data, fold.test, "labels")
        (first,), (second,) = (trained(self.build(each), each, fold) for each in (data, other))
        assert np.array_equal(first.logits, second.logits)
        assert not np.array_equal(first.labels, second.labels)

    def test_nothing_is_carried_from_one_fold_to_another(self) -> None:
        """An object that has trained on, and predicted, other folds knows this one's held-out clips."""
        data = self.data()
        order = folds(data)
        (alone,) = trained(self.build(data), data, order[0])
        after = trained(self.build(data), data, *order[1:3], order[0])[-1]
        assert np.array_equal(alone.logits, after.logits), (
            f"the logits of {order[0].subject} after other folds"
        )
        assert repr(alone.diagnostics) == repr(after.diagnostics)


def with_replaced(data: DataSet, index: NDArray[np.int64], what: str) -> DataSet:
    """`data` with the views (`noise`) or all labels but the person (`labels`) of some micro clips replaced."""
    return dataclasses.replace(data, micro=_replaced(data.micro, index, what, data.shapes))


def _replaced(clips: Clips, index: NDArray[np.int64], what: str, shapes: Shapes) -> Clips:
    if what == "labels":
        labels = clips.labels.take(np.arange(len(clips)))
        labels.emotion[index] = (labels.emotion[index] + 1) % len(shapes.emotions)
        labels.action_units[index] ^= True
        labels.annotated[index] ^= True
        return dataclasses.replace(clips, labels=labels)
    rng = np.random.Generator(np.random.PCG64(99))
    assert clips.rgb is not None
    assert clips.flow is not None
    rgb, flow = clips.rgb.copy(), clips.flow.copy()
    rgb[index] = rng.integers(0, 256, rgb[index].shape)
    flow[index] = rng.integers(-127, 128, flow[index].shape)
    return dataclasses.replace(clips, rgb=rgb, flow=flow)

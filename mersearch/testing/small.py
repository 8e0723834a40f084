"""Folds as small, and clips as short, as real databases have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np
import pytest
from numpy.typing import NDArray

from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import Fold, folds
from mersearch.testing.subject import Subject, trained


class SmallContract(Subject):
    """Every fold that leave-one-subject-out can meet trains and predicts finite numbers."""

    @pytest.mark.parametrize("frames", [1, 16])
    def test_clips_of_any_number_of_frames_train(self, frames: int) -> None:
        """T = 1 and T = 16."""
        self._train(self.data(frames=frames))

    def test_a_fold_of_one_class_trains(self) -> None:
        """Every batch holds a single class."""
        data = self.data()
        self._train(_with_emotions(data, np.zeros_like(data.micro.labels.emotion)))

    def test_a_fold_with_one_training_clip_of_a_class_trains(self) -> None:
        """There is no second clip to pair it with."""
        self._train_with_few(1)

    def test_a_fold_without_a_training_clip_of_a_class_trains(self) -> None:
        """The only person who shows the class is held out."""
        self._train_with_few(0)

    def test_a_fold_with_one_held_out_clip_is_predicted(self) -> None:
        """A person with one clip."""
        data = self.data()
        single = next(fold for fold in folds(data) if len(fold.test) == 1)
        (result,) = trained(self.build(data), data, single)
        assert result.logits.shape == (1, len(data.shapes.emotions))

    def test_a_fold_that_trains_on_one_person_trains(self) -> None:
        """Of two people one is held out."""
        self._train(self.data(clips=(5, 6)))

    def test_a_fold_that_trains_on_one_clip_trains(self) -> None:
        """No pair of two clips, whatever a loss would do with one."""
        data = self.data(clips=(1, 5))
        (fold,) = (fold for fold in folds(data) if len(fold.train) == 1)
        (result,) = trained(self.build(data), data, fold)
        assert np.isfinite(result.logits).all()

    def test_clips_without_action_units_train(self) -> None:
        """SMIC has none."""
        data = self.data()
        none = np.zeros_like(data.micro.labels.annotated)
        labels = dataclasses.replace(
            data.micro.labels, action_units=np.zeros_like(data.micro.labels.action_units), annotated=none
        )
        self._train(dataclasses.replace(data, micro=dataclasses.replace(data.micro, labels=labels)))

    def test_what_it_needs_is_enough(self) -> None:
        """Views and macro clips that `needs` does not name are not there."""
        data = self.data()
        self._train(with_only(data, self.build(data).needs()))

    def test_flow_alone_is_enough(self) -> None:
        """With the settings `flow_only`; skipped where RGB cannot be done without."""
        data = self.data()
        needs = self.build(data, self.flow_only).needs()
        if "rgb" in needs:
            assert not self.flow_only, "needs() names rgb with the settings `flow_only` too"
            pytest.skip(
                f"{self.algorithm} needs rgb; where settings can change that, name them in `flow_only`"
            )
        reduced = with_only(data, needs - {"rgb"})
        trained(self.build(reduced, self.flow_only), reduced)

    def _train(self, data: DataSet) -> None:
        trained(self.build(data), data)

    def _train_with_few(self, left: int) -> None:
        """Train the first fold with `left` training clips of the last class."""
        data = self.data()
        fold = folds(data)[0]
        few = _with_emotions(data, _few(data, fold, left))
        trained(self.build(few), few, fold)


def with_only(data: DataSet, needs: Collection[str]) -> DataSet:
    """`data` without the views and macro clips that are not in `needs`."""
    views = tuple(view for view in data.shapes.views if view in needs)
    macro = data.macro if "macro" in needs else None
    shapes = dataclasses.replace(
        data.shapes, views=views, macro_emotions=data.shapes.macro_emotions if macro is not None else ()
    )
    seen = _seen(macro, views) if macro is not None else None
    return dataclasses.replace(data, micro=_seen(data.micro, views), macro=seen, shapes=shapes)


def _seen(clips: Clips, views: Collection[str]) -> Clips:
    rgb, flow = (clips.rgb if "rgb" in views else None), (clips.flow if "flow" in views else None)
    return dataclasses.replace(clips, rgb=rgb, flow=flow)


def _with_emotions(data: DataSet, emotion: NDArray[np.int64]) -> DataSet:
    labels = dataclasses.replace(data.micro.labels, emotion=emotion)
    return dataclasses.replace(data, micro=dataclasses.replace(data.micro, labels=labels))


def _few(data: DataSet, fold: Fold, left: int) -> NDArray[np.int64]:
    """The emotions, with the last class only at `left` training clips (and where it is held out)."""
    emotion = data.micro.labels.emotion.copy()
    last = len(data.shapes.emotions) - 1
    shown = fold.train[emotion[fold.train] == last]
    emotion[shown[left:]] = 0
    return emotion

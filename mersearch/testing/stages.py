"""An algorithm trains: stages, losses, gradients, predictions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from mersearch.algorithm import Algorithm, Batch, Stage, Update
from mersearch.data.folds import folds
from mersearch.testing.comparing import require_close
from mersearch.testing.subject import Subject, batch_of, fitted, start, trained, updates, views_of
from mersearch.training.vector import Vector

FITS = 0.75
"""Share of the training clips that an algorithm must be able to fit; a guess is right for about one in three."""
ROWS = 3
"""Steps of a plan whose gradients are looked at."""
CPU = torch.device("cpu")


class StagesContract(Subject):
    """Stages run, losses are differentiable, clips are predicted."""

    def test_it_needs_views_and_macro_clips_and_nothing_else(self) -> None:
        """`needs` names what the platform can give."""
        known = {"rgb", "flow", "macro"}
        needs = set(self.build(self.data()).needs())
        assert needs <= known, f"needs() names {needs - known}"
        assert needs & {"rgb", "flow"}, "needs() names no view"

    def test_every_stage_runs_and_every_loss_stays_finite(self) -> None:
        """One fold from start to end; the trainer refuses what breaks its rules or is not finite."""
        data = self.data()
        algorithm = self.build(data)
        found = fitted(algorithm, data, folds(data)[0]).diagnostics
        ran = [f"{stage.name}.{update.loss}" for stage, update in updates(algorithm)]
        assert ran, "stages() has no update with steps"
        for name in ran:
            assert np.isfinite(found[f"{name}.loss"]), f"the loss {name} is {found[f'{name}.loss']}"

    def test_every_loss_has_a_finite_gradient_that_moves_its_group(self) -> None:
        """For every (stage, update), at the start of the training."""
        data = self.data()
        algorithm = self.build(data)
        for stage, update in updates(algorithm):
            moved = 0.0
            for row in range(ROWS):
                batch = batch_of(algorithm, data, folds(data)[0], stage, update, row, torch.float32)
                moved += _gradient(algorithm, stage, update, batch, row)
            assert moved > 0, (
                f"stage {stage.name}, loss {update.loss}: no parameter of its group gets a gradient"
            )

    def test_a_state_keeps_its_names_shapes_and_types(self) -> None:
        """Whatever loss it passes through."""
        data = self.data()
        algorithm = self.build(data)
        parameters, state = start(algorithm, 1, torch.float32)
        before = {name: (value.shape, value.dtype) for name, value in state.items()}
        for stage, update in updates(algorithm):
            batch = batch_of(algorithm, data, folds(data)[0], stage, update, 0, torch.float32)
            _, state, _ = algorithm.loss(
                update.loss, parameters, state, batch, torch.tensor(5), torch.tensor(0)
            )
            after = {name: (value.shape, value.dtype) for name, value in state.items()}
            assert after == before, f"the state after loss {update.loss}"

    def test_one_fold_fits_its_training_clips(self) -> None:
        """With the settings `overfit`."""
        data = self.data()
        algorithm, fold = self.build(data, self.overfit), folds(data)[0]
        found = fitted(algorithm, data, fold)
        with torch.no_grad():
            views = views_of(data, fold.train, torch.float32)
            logits, _ = algorithm.predict(found.parameters, found.state, views)
        right = float((logits.argmax(1).numpy() == data.micro.labels.emotion[fold.train]).mean())
        assert right >= FITS, (
            f"{right:.0%} of its training clips are right, {FITS:.0%} are wanted; see `overfit`"
        )

    def test_every_held_out_clip_gets_logits_and_a_map(self) -> None:
        """Over all folds every clip is predicted once."""
        data = self.data()
        algorithm, order = self.build(data), folds(data)
        results = trained(algorithm, data, *order)
        predicted = Counter(clip for result in results for clip in result.clip_ids)
        assert predicted == Counter(data.micro.ids)
        for fold, result in zip(order, results, strict=True):
            assert result.logits.shape == (len(fold.test), len(data.shapes.emotions))
            assert result.maps.shape == (len(fold.test), 14, 14)

    def test_maps_lie_between_0_and_1(self) -> None:
        """At the start and after training; before they are rounded to bytes, which would hide it."""
        data = self.data()
        algorithm, fold = self.build(data), folds(data)[0]
        after = fitted(algorithm, data, fold)
        for when, values in (
            ("at the start", start(algorithm, 1, torch.float32)),
            ("after training", (after.parameters, after.state)),
        ):
            with torch.no_grad():
                _, maps = algorithm.predict(*values, views_of(data, fold.test, torch.float32))
            least, most = float(maps.min()), float(maps.max())
            assert 0 <= least <= most <= 1, f"maps {when} lie between {least:g} and {most:g}"

    def test_a_prediction_does_not_depend_on_the_other_clips_of_its_batch(self) -> None:
        """Else the held-out person's other clips, and how clips are put together, would change a score."""
        data = self.data()
        algorithm = self.build(data)
        begun, clips = start(algorithm, 1, torch.float64), np.arange(4)
        logits, maps = algorithm.predict(*begun, views_of(data, clips, torch.float64))
        for clip in clips[::-1]:
            alone = algorithm.predict(*begun, views_of(data, clips[clip : clip + 1], torch.float64))
            require_close(alone[0][0], logits[clip], "logits of a clip predicted alone")
            require_close(alone[1][0], maps[clip], "map of a clip predicted alone")


def _gradient(algorithm: Algorithm, stage: Stage, update: Update, batch: Batch, row: int) -> float:
    """Sum of |gradient| over the group of `update`, required to be finite."""
    where = f"stage {stage.name}, loss {update.loss}"
    values, state = start(algorithm, 1, torch.float32)
    parameters, _ = Vector(values, CPU, torch.float32).select(update.group)
    group = {name: value for name, value in parameters.items() if value.requires_grad}
    loss, _, _ = algorithm.loss(update.loss, parameters, state, batch, torch.tensor(5), torch.tensor(row))
    assert loss.shape == (), f"{where}: a loss is a scalar, not of shape {tuple(loss.shape)}"
    assert loss.isfinite(), f"{where}: {float(loss)}"
    assert loss.requires_grad, f"{where}: the loss does not depend on its group"
    found: tuple[Tensor | None, ...] = torch.autograd.grad(loss, list(group.values()), allow_unused=True)
    for name, value in zip(group, found, strict=True):
        assert value is None or value.isfinite().all(), f"{where}: the gradient of {name} is not finite"
    return sum(float(value.abs().sum()) for value in found if value is not None)

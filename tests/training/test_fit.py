"""Training gives the numbers of a naive loop, and only what it should moves."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Logs, Optimiser, Parameters, Stage, State, Training, Update
from mersearch.data.folds import Fold
from mersearch.errors import ConfigError
from mersearch.training import FoldResult
from tests.folded import DATASET, FOLDS, SETTINGS, eager_batch, fit_fold, toy, train
from tests.toy import Toy


def naive(algorithm: Toy, fold: Fold) -> tuple[Parameters, State]:
    """Training with one tensor per parameter, torch's plain optimisers and torch's clipping."""
    raw, raw_state = algorithm.init(seeds.seed(3, "init", fold.subject))
    parameters = {name: value.double().requires_grad_() for name, value in raw.items()}
    state = {name: value.double() for name, value in raw_state.items()}
    assert DATASET.macro is not None
    training = Training(DATASET.micro.labels.take(fold.train), DATASET.macro.labels.take(fold.macro))
    for stage in algorithm.stages():
        prepared = []
        for update in stage.updates:
            axes = (fold.subject, stage.name, update.loss)
            plan = algorithm.plan(stage, update, training, seeds.generator(3, "plan", *axes))
            group = [p for name, p in parameters.items() if name.split(".")[0] in update.group]
            key = torch.tensor(seeds.seed(3, "train", *axes))
            prepared.append((update, plan, group, key, torch_optimiser(update.optimiser, group)))
        for t in range(stage.steps):
            for update, plan, group, key, optimiser in prepared:
                optimiser.param_groups[0]["lr"] = (
                    update.optimiser.lr * (1 + np.cos(np.pi * t / stage.steps)) / 2
                )
                for row in range(t * update.repeats, (t + 1) * update.repeats):
                    batch = eager_batch(plan, fold, row)
                    loss, state, _ = algorithm.loss(
                        update.loss, parameters, state, batch, key, torch.tensor(row)
                    )
                    state = {name: value.detach() for name, value in state.items()}
                    for parameter, gradient in zip(group, torch.autograd.grad(loss, group), strict=True):
                        parameter.grad = gradient
                    if update.optimiser.clip_norm:
                        torch.nn.utils.clip_grad_norm_(group, update.optimiser.clip_norm)
                    optimiser.step()
    return parameters, state


def torch_optimiser(optimiser: Optimiser, group: list[Tensor]) -> torch.optim.Optimizer:
    if optimiser.name == "adamw":
        return torch.optim.AdamW(group, weight_decay=optimiser.weight_decay, foreach=False)
    return torch.optim.SGD(
        group, momentum=0.9, nesterov=True, weight_decay=optimiser.weight_decay, foreach=False
    )


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("clip_norm", [0.0, 0.5])
def test_training_equals_a_naive_loop(optimiser: str, clip_norm: float) -> None:
    algorithm = toy(optimiser=optimiser, clip_norm=clip_norm)
    fold = FOLDS[2]
    fitted = fit_fold(algorithm, fold)
    parameters, state = naive(algorithm, fold)
    for name, expected in parameters.items():
        torch.testing.assert_close(fitted.parameters[name], expected.detach(), rtol=0, atol=1e-9)
    torch.testing.assert_close(fitted.state["average"], state["average"], rtol=0, atol=1e-9)


def test_every_loss_and_log_is_averaged_and_the_curve_has_at_most_32_points() -> None:
    seen: list[tuple[float, float]] = []

    class Spy(Toy):
        def loss(self, name: str, *arguments: Any) -> tuple[Tensor, State, Logs]:
            loss, state, logs = super().loss(name, *arguments)
            if name == "probe":
                seen.append((float(loss.detach()), float(logs["accuracy"])))
            return loss, state, logs

    fitted = fit_fold(Spy(dataclasses.replace(SETTINGS, steps=40), DATASET.shapes), FOLDS[0])
    losses, accuracies = np.array(seen).T
    assert len(seen) == 80
    assert fitted.diagnostics["main.probe.loss"] == pytest.approx(losses.mean(), rel=1e-12)
    assert fitted.diagnostics["main.probe.accuracy"] == pytest.approx(accuracies.mean(), rel=1e-12)
    curve = fitted.diagnostics["main.probe.curve"]
    assert curve == pytest.approx([part.mean() for part in np.array_split(losses, 32)], rel=1e-12)
    assert set(fitted.diagnostics) == {
        f"{stage}.{entry}"
        for stage, loss in (("macro", "macro"), ("main", "emotion"), ("main", "probe"))
        for entry in (f"{loss}.loss", f"{loss}.accuracy", f"{loss}.curve", f"{loss}.steps")
    }
    assert fitted.diagnostics["main.probe.steps"] == 80
    assert fitted.diagnostics["main.emotion.steps"] == 40


def test_a_log_that_the_class_names_gets_a_curve_over_the_same_bins_as_the_loss() -> None:
    seen: list[float] = []

    class Spy(Toy):
        CURVES = ("late", "nowhere")

        def loss(self, name: str, *arguments: Any) -> tuple[Tensor, State, Logs]:
            loss, state, logs = super().loss(name, *arguments)
            if name != "emotion":
                return loss, state, logs
            late = torch.where(arguments[-1] < 3, torch.nan, loss.detach())
            seen.append(float(late))
            return loss, state, {**logs, "late": late}

    diagnostics = fit_fold(Spy(dataclasses.replace(SETTINGS, steps=40), DATASET.shapes), FOLDS[0]).diagnostics
    bins = np.array_split(np.array(seen), 32)
    assert [len(part) for part in bins[:3]] == [2, 2, 2], "the first bin has nothing finite"
    expected = [np.nan, bins[1][1], *(part.mean() for part in bins[2:])]
    assert diagnostics["main.emotion.late.curve"] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert diagnostics["main.emotion.late"] == pytest.approx(np.nanmean(seen), rel=1e-12)
    assert [name for name in diagnostics if name.endswith(".late.curve")] == ["main.emotion.late.curve"]
    assert not any("nowhere" in name for name in diagnostics)


def test_curves_that_are_no_names_are_refused() -> None:
    class Broken(Toy):
        CURVES = "accuracy"

    with pytest.raises(ConfigError, match="CURVES of an algorithm is a tuple of names"):
        fit_fold(Broken(SETTINGS, DATASET.shapes), FOLDS[0])


@pytest.mark.parametrize("steps", [1, 7])
def test_a_short_stage_has_a_curve_of_its_own_length(steps: int) -> None:
    curve = fit_fold(toy(steps=steps), FOLDS[0]).diagnostics["main.emotion.curve"]
    assert isinstance(curve, list)
    assert len(curve) == steps


def test_without_steps_the_initial_values_predict() -> None:
    fitted = fit_fold(toy(steps=0), FOLDS[0], torch.float32)
    initial, _ = toy().init(seeds.seed(3, "init", FOLDS[0].subject))
    assert all(torch.equal(fitted.parameters[name], values) for name, values in initial.items())


def test_only_the_group_of_an_update_moves() -> None:
    class Frozen(Toy):
        def stages(self) -> tuple[Stage, ...]:
            return (Stage("main", 5, (Update("emotion", ("head",), Optimiser(weight_decay=0.1)),)),)

    fitted = fit_fold(Frozen(SETTINGS, DATASET.shapes), FOLDS[0], torch.float32)
    initial, _ = toy().init(seeds.seed(3, "init", FOLDS[0].subject))
    moved = {name for name, value in fitted.parameters.items() if not torch.equal(value, initial[name])}
    assert moved == {"head.weight", "head.bias"}


def test_results_name_the_held_out_clips_in_the_order_of_the_fold(together: list[FoldResult]) -> None:
    for fold, result in zip(FOLDS, together, strict=True):
        assert result.subject == fold.subject
        assert result.clip_ids == tuple(DATASET.micro.ids[i] for i in fold.test)
        assert np.array_equal(result.labels, DATASET.micro.labels.emotion[fold.test])
        assert (result.logits.dtype, result.logits.shape) == (np.float32, (len(fold.test), 3))
        assert (result.maps.dtype, result.maps.shape) == (np.uint8, (len(fold.test), 14, 14))
        assert result.seconds > 0


def test_maps_are_the_predicted_maps_times_255() -> None:
    class Ramp(Toy):
        def predict(self, *arguments: Any) -> tuple[Tensor, Tensor]:
            logits, maps = super().predict(*arguments)
            return logits, torch.linspace(-0.5, 1.5, 196).view(14, 14).expand_as(maps)

    result = train(Ramp(SETTINGS, DATASET.shapes), [FOLDS[0]])[0]
    ramp = np.linspace(-0.5, 1.5, 196, dtype=np.float32).clip(0, 1)
    assert np.abs(result.maps[0].ravel() - 255 * ramp).max() <= 0.501


def test_each_finished_fold_is_handed_over_at_once() -> None:
    handed: list[FoldResult] = []
    assert train(toy(steps=2), list(FOLDS[:3]), on_fold=handed.append) == handed

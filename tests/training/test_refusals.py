"""What breaks a rule of the protocol, or diverges, fails the trial and says where."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch.algorithm import Logs, Optimiser, Parameters, Plan, Stage, State, Training, Update
from mersearch.data.folds import folds
from mersearch.errors import ConfigError, TrialFailure
from mersearch.testing.clips import small_dataset
from mersearch.training import optimisers
from mersearch.training.vector import Vector
from tests.folded import DATASET, FOLDS, SETTINGS, toy, train
from tests.toy import Settings, Toy

UPDATE = Update("emotion", ("head",), Optimiser())
HIGH = int(max(len(fold.train) for fold in FOLDS))


def broken_plan(changes: dict[str, Any]) -> type[Toy]:
    class Broken(Toy):
        def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
            return {**super().plan(stage, update, training, rng), **changes}

    return Broken


def broken_stages(*stages: Stage) -> type[Toy]:
    class Broken(Toy):
        def stages(self) -> tuple[Stage, ...]:
            return stages

    return Broken


def broken_loss(change: Any) -> type[Toy]:
    class Broken(Toy):
        def loss(self, name: str, *arguments: Any) -> tuple[Tensor, State, Logs]:
            return change(*super().loss(name, *arguments), arguments[-1])

    return Broken


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"micro": np.full((20, 8), HIGH)}, "positions among the fold's"),
        (
            {"micro": np.full((20, 8), -1)},
            r"positions from -1 to -1, fold micro/\d+, stage main, loss emotion",
        ),
        ({"micro": np.zeros((19, 8), np.int64)}, r"steps \* repeats = 20 rows"),
        ({"micro": np.zeros((20, 8))}, "integer positions"),
        ({"micro": np.zeros(20, np.int64)}, "integer positions"),
        ({"micro": np.zeros((20, 0), np.int64)}, "integer positions"),
        ({"macro": np.zeros((20, 8), np.int64)}, "`macro` holds positions among the fold's 0"),
        ({"sign": np.ones((21, 8))}, "`sign` as ndarray of shape"),
        ({"sign": [1.0] * 20}, "`sign` as list"),
        ({"sign": np.array(["a"] * 20)}, "an array of a plan holds numbers"),
        ({"micro.flow": np.ones(20)}, "names with a dot"),
    ],
)
def test_a_plan_that_breaks_a_rule_fails_the_trial(changes: dict[str, Any], rule: str) -> None:
    dataset = small_dataset()
    algorithm = broken_plan(changes)(Settings(steps=20), dataset.shapes)
    with pytest.raises(TrialFailure, match=rule):
        train(algorithm, list(folds(dataset)[:1]), dataset)


@pytest.mark.parametrize(
    ("stages", "rule"),
    [
        (
            (Stage("a", 2, (dataclasses.replace(UPDATE, group=("hea",)),)),),
            "prefixes start with one of feat",
        ),
        ((Stage("a", 2, (dataclasses.replace(UPDATE, group=()),)),), "at least one parameter"),
        ((Stage("a", 2, (UPDATE,)), Stage("a", 2, (UPDATE,))), "distinct names"),
        ((Stage("a", 2, (UPDATE, UPDATE)),), "distinct losses"),
    ],
)
def test_stages_that_break_a_rule_fail_the_trial(stages: tuple[Stage, ...], rule: str) -> None:
    with pytest.raises(TrialFailure, match=rule):
        train(broken_stages(*stages)(SETTINGS, DATASET.shapes), [FOLDS[0]])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda loss, state, logs, step: (loss[None], state, logs), "a loss is a scalar"),
        (lambda loss, state, logs, step: (loss.detach(), state, logs), "gradient: False"),
        (lambda loss, state, logs, step: (loss, state, {"a": torch.ones(2)}), r"'a': \(2,\)"),
        (lambda loss, state, logs, step: (loss, state, {"loss": loss}), "are taken"),
        (
            lambda loss, state, logs, step: (loss, state, {f"a{int(step)}": loss}),
            "the same names in every",
        ),
        (lambda loss, state, logs, step: (loss, state, {} if step else logs), "the same names"),
    ],
)
def test_a_loss_that_breaks_a_rule_fails_the_trial(change: Any, rule: str) -> None:
    algorithm = broken_loss(change)(Settings(steps=4), DATASET.shapes)
    with pytest.raises(TrialFailure, match=rule):
        train(algorithm, [FOLDS[0]])


def test_a_state_that_loses_a_name_fails_the_trial() -> None:
    class Forgetful(Toy):
        def init(self, key: int) -> tuple[Parameters, State]:
            parameters, state = super().init(key)
            return parameters, {**state, "second": torch.zeros(())}

    with pytest.raises(TrialFailure, match=r"a state keeps its names\n.*\['average'\] from"):
        train(Forgetful(SETTINGS, DATASET.shapes), [FOLDS[0]])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_fold_stage_and_step(value: float) -> None:
    algorithm = broken_loss(lambda loss, *rest: (loss * torch.where(rest[-1] == 13, value, 1.0), *rest[:-1]))
    with pytest.raises(TrialFailure) as caught:
        train(algorithm(Settings(steps=30), DATASET.shapes), [FOLDS[0]])
    assert caught.value.received == (f"{value} at step 13, fold {FOLDS[0].subject}, stage main, loss emotion")


def test_a_diverged_training_is_noticed_before_the_stage_ends() -> None:
    steps: list[int] = []

    def change(loss: Tensor, state: State, logs: Logs, step: Tensor) -> tuple[Tensor, State, Logs]:
        steps.append(int(step))
        return loss * float("nan"), state, logs

    with pytest.raises(TrialFailure, match="at step 0"):
        train(broken_loss(change)(Settings(steps=1000), DATASET.shapes), [FOLDS[0]])
    assert len(steps) < 200


def test_a_last_step_to_infinity_is_noticed() -> None:
    stage = Stage("main", 1, (Update("emotion", ("head",), Optimiser("sgd", lr=1e38)),))

    class Far(broken_stages(stage)):  # type: ignore[misc]
        def loss(self, *arguments: Any) -> tuple[Tensor, State, Logs]:
            loss, state, logs = super().loss(*arguments)
            return loss * 1e30, state, logs

    with pytest.raises(TrialFailure, match=r"parameters stay finite\n.*after step 0, fold .*, stage main"):
        train(Far(SETTINGS, DATASET.shapes), [FOLDS[0]])


@pytest.mark.parametrize("name", ["logits", "maps"])
def test_a_prediction_that_is_not_finite_fails_the_trial(name: str) -> None:
    class Broken(Toy):
        def predict(self, *arguments: Any) -> tuple[Tensor, Tensor]:
            logits, maps = super().predict(*arguments)
            return (logits / 0, maps) if name == "logits" else (logits, maps * float("nan"))

    message = rf"{name} stay finite\n.*fold {FOLDS[0].subject}, after stage main, step 19"
    with pytest.raises(TrialFailure, match=message):
        train(Broken(SETTINGS, DATASET.shapes), [FOLDS[0]])


def test_a_prediction_of_another_shape_fails_the_trial() -> None:
    class Broken(Toy):
        def predict(self, *arguments: Any) -> tuple[Tensor, Tensor]:
            logits, maps = super().predict(*arguments)
            return logits, maps[:, 1:]

    with pytest.raises(TrialFailure, match=r"`predict` returns logits and maps"):
        train(Broken(SETTINGS, DATASET.shapes), [FOLDS[0]])


def test_clips_that_the_algorithm_needs_must_be_there() -> None:
    dataset = small_dataset()
    with pytest.raises(ConfigError, match="no macro; there is flow, rgb"):
        train(Toy(SETTINGS, dataset.shapes), list(folds(dataset)), dataset)


def test_an_unknown_backend_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="one of loop, fused"):
        train(toy(), [FOLDS[0]], backend="fusion")


def test_an_unknown_optimiser_is_refused() -> None:
    with pytest.raises(ConfigError, match="adamw or sgd"):
        optimisers.build(Optimiser("adam"), [torch.zeros(1)])  # type: ignore[arg-type]


def test_parameters_must_be_floating_point() -> None:
    with pytest.raises(TrialFailure, match=r"a: torch\.int64"):
        Vector({"a": torch.ones(2, dtype=torch.int64)}, torch.device("cpu"), torch.float32)

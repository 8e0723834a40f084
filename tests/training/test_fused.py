"""Folds that are trained as one program come out as in a loop over them, and do not touch each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch.algorithm import Algorithm, Logs, Optimiser, Shapes, Stage, State, Update, settings_from
from mersearch.data.folds import Fold, folds
from mersearch.errors import ChunkTooLarge, ConfigError, TrialFailure
from mersearch.testing.clips import small_dataset
from mersearch.testing.subject import views_of
from mersearch.training import DeviceData, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import Fitted, fit
from mersearch.training.fused import alike, fit_together
from tests.every import DISENTANGLE, QUINTUPLET
from tests.toy import Settings, Toy
from trainables.disentangle import Disentangle
from trainables.quintuplet import Quintuplet

DATASET = small_dataset((4, 3, 1, 5), size=16, macro=True)
DATA = DeviceData.from_dataset(DATASET)
FOLDS = folds(DATASET)
SEED = 5
"""With seed 3 one fold, fused by itself, is 8e-7 from the loop: a bias of the critic whose gradient is 0 gets one of
∓3e-18, Adam makes it ±9e-13, and in the next step that sign alone opens or closes a ReLU (docs/training.md).
"""
STEPS = 60
"""Optimiser steps that every algorithm takes at least."""


def longer(settings: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    return {**settings, **{name: settings.get(name, {}) | change for name, change in changes.items()}}


LONG: dict[str, Callable[[Shapes], Algorithm]] = {
    "toy": partial(Toy, Settings(steps=30, macro=True, clip_norm=0.5)),
    "toy, sgd": partial(Toy, Settings(steps=30, macro=True, optimiser="sgd")),
    "quintuplet": partial(
        Quintuplet,
        settings_from(
            Quintuplet.Settings,
            longer(QUINTUPLET, mask={"steps": 15, "finetune": True}, train={"steps": 25, "clip_norm": 1.0}),
        ),
    ),
    "disentangle": partial(
        Disentangle,
        settings_from(
            Disentangle.Settings,
            longer(
                DISENTANGLE,
                identity={"steps": 12},
                emotion={"steps": 14},
                information={"steps": 10, "critic_steps": 2},
                train={"steps": 12, "clip_norm": 1.0},
            ),
        ),
    ),
}


@pytest.fixture(params=LONG)
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    return LONG[request.param](DATASET.shapes)


def splits(chosen: Sequence[Fold] = FOLDS) -> list[Split]:
    return [Split.of(fold) for fold in chosen]


def logits(algorithm: Algorithm, fitted: Fitted) -> Tensor:
    """Of every clip, in float64."""
    with torch.no_grad():
        views = views_of(DATASET, FOLDS[0].train, torch.float64)
        return algorithm.predict(fitted.parameters, fitted.state, views)[0]


def test_every_fold_of_every_partition_is_that_of_the_loop(algorithm: Algorithm) -> None:
    updates = [(stage, update) for stage in algorithm.stages() for update in stage.updates]
    assert sum(stage.steps * update.repeats for stage, update in updates) >= STEPS
    loop = [fit(algorithm, DATA, split, SEED, torch.float64) for split in splits()]
    for size in (len(FOLDS), len(FOLDS) // 2, 1):
        bounds = range(0, len(FOLDS) + 1, size)
        for start, end in pairwise(bounds):
            together = fit_together(algorithm, DATA, splits(FOLDS[start:end]), SEED, torch.float64)
            for fold, expected in zip(FOLDS[start:end], loop[start:end], strict=True):
                found = together[fold.subject]
                difference = logits(algorithm, found) - logits(algorithm, expected)
                assert float(difference.abs().max()) <= 1e-9, f"{fold.subject} in chunks of {size}"
                assert found.state.keys() == expected.state.keys()
                assert found.diagnostics.keys() == expected.diagnostics.keys()
                for name, value in expected.diagnostics.items():
                    assert np.allclose(
                        found.diagnostics[name], value, rtol=1e-6, atol=1e-9, equal_nan=True
                    ), name


class Tempered(Toy):
    """A parameter that is one number scales the logits."""

    def init(self, key: int) -> tuple[dict[str, Tensor], State]:
        parameters, state = super().init(key)
        return {**parameters, "head.scale": torch.tensor(1.5)}, state

    def loss(self, name: str, parameters: Any, *arguments: Any) -> tuple[Tensor, State, Logs]:
        weight = parameters["head.weight"] * parameters["head.scale"]
        return super().loss(name, {**parameters, "head.weight": weight}, *arguments)


def test_a_parameter_that_is_one_number_is_trained_as_in_the_loop() -> None:
    algorithm = Tempered(Settings(steps=10, clip_norm=0.1), DATASET.shapes)
    together = fit_together(algorithm, DATA, splits(), 3, torch.float64)
    for split in splits():
        expected = fit(algorithm, DATA, split, 3, torch.float64).parameters
        found = together[split.subject].parameters
        assert found["head.scale"].shape == ()
        assert found["head.scale"] != 1.5
        for name, value in expected.items():
            assert torch.allclose(found[name], value, rtol=0, atol=1e-9), name


def test_a_step_that_can_be_recorded_gives_what_the_loop_gives(algorithm: Algorithm) -> None:
    """Run as it is, without a card: row, rate and state in tensors, and everything undone after the rehearsal."""
    together = fit_together(algorithm, DATA, splits(FOLDS[:2]), 3, torch.float64, captured=True)
    for fold in FOLDS[:2]:
        expected = fit(algorithm, DATA, Split.of(fold), 3, torch.float64)
        found = together[fold.subject]
        assert float((logits(algorithm, found) - logits(algorithm, expected)).abs().max()) <= 1e-9
        assert found.diagnostics.keys() == expected.diagnostics.keys()
        for name, value in expected.diagnostics.items():
            assert np.allclose(found.diagnostics[name], value, rtol=1e-6, atol=1e-9, equal_nan=True), name


def test_a_chunk_gives_the_predictions_and_diagnostics_of_the_loop(algorithm: Algorithm) -> None:
    alone, together = (
        train_chunk(algorithm, DATA, FOLDS, seed=3, backend=backend, dtype=torch.float64)
        for backend in ("loop", "fused")
    )
    for expected, found in zip(alone, together, strict=True):
        assert (found.subject, found.clip_ids) == (expected.subject, expected.clip_ids)
        assert abs(found.logits - expected.logits).max() <= 1e-6, "both are rounded to float32"
        assert found.diagnostics.keys() == expected.diagnostics.keys()
        assert found.seconds > 0


class Spoilt(Toy):
    """Its loss is not finite from step 13 on, for the fold whose key is `spoilt`."""

    spoilt: int

    def loss(self, name: str, *arguments: Any) -> tuple[Tensor, State, Logs]:
        loss, state, logs = super().loss(name, *arguments)
        key, step = arguments[-2:]
        return loss * torch.where((key == self.spoilt) & (step >= 13), float("nan"), 1.0), state, logs


def spoilt(fold: Fold) -> Spoilt:
    from mersearch import seeds

    algorithm = Spoilt(Settings(steps=30, macro=True, clip_norm=0.5), DATASET.shapes)
    algorithm.spoilt = seeds.seed(3, "train", fold.subject, "main", "emotion")
    return algorithm


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_a_fold_that_diverges_is_named_and_leaves_the_others_as_they_are(backend: str) -> None:
    algorithm, failures = spoilt(FOLDS[1]), {}
    run = partial(train_chunk, data=DATA, folds=FOLDS, seed=3, backend=backend)
    left = run(algorithm, on_failure=failures.__setitem__)
    received = f"nan at step 13, fold {FOLDS[1].subject}, stage main, loss emotion"
    assert {subject: failure.received for subject, failure in failures.items()} == {
        FOLDS[1].subject: received
    }
    healthy = run(LONG["toy"](DATASET.shapes))
    assert [result.subject for result in left] == [FOLDS[i].subject for i in (0, 2, 3)]
    for found, expected in zip(left, [healthy[i] for i in (0, 2, 3)], strict=True):
        assert (found.logits == expected.logits).all()
        assert str(found.diagnostics) == str(expected.diagnostics)


@pytest.mark.parametrize("backend", ["loop", "fused"])
def test_a_fold_that_diverges_fails_the_chunk_where_nobody_wants_the_others(backend: str) -> None:
    with pytest.raises(TrialFailure, match=rf"stays finite\n.*nan at step 13, fold {FOLDS[1].subject},"):
        train_chunk(spoilt(FOLDS[1]), DATA, FOLDS, seed=3, backend=backend)


def test_a_chunk_of_which_every_fold_diverges_ends_without_results() -> None:
    stage = Stage("main", 200, (Update("emotion", ("head",), Optimiser()),))
    seen: list[int] = []

    class Broken(Toy):
        def stages(self) -> tuple[Stage, ...]:
            return (stage,)

        def loss(self, *arguments: Any) -> tuple[Tensor, State, Logs]:
            loss, state, logs = super().loss(*arguments)
            seen.append(int(arguments[-1]))
            return loss * float("nan"), state, logs

    failures: dict[str, TrialFailure] = {}
    broken = Broken(Settings(), DATASET.shapes)
    results = train_chunk(broken, DATA, FOLDS, seed=3, backend="fused", on_failure=failures.__setitem__)
    assert (results, len(failures)) == ([], len(FOLDS))
    assert max(seen) < 100


def test_parameters_that_leave_the_finite_numbers_in_the_last_step_are_noticed() -> None:
    stage = Stage("main", 1, (Update("emotion", ("head",), Optimiser("sgd", lr=1e38)),))

    class Far(Toy):
        def stages(self) -> tuple[Stage, ...]:
            return (stage,)

        def loss(self, *arguments: Any) -> tuple[Tensor, State, Logs]:
            loss, state, logs = super().loss(*arguments)
            return loss * 1e30, state, logs

    with pytest.raises(TrialFailure, match=r"parameters stay finite\n.*after step 0, fold .*, stage main"):
        train_chunk(Far(Settings(), DATASET.shapes), DATA, FOLDS, seed=3, backend="fused")


def test_folds_whose_batches_differ_in_size_are_trained_in_groups() -> None:
    settings = settings_from(Disentangle.Settings, longer(DISENTANGLE, batch={"size": 10}))
    algorithm = Disentangle(settings, DATASET.shapes)
    left = [len(fold.train) for fold in FOLDS]
    assert sorted(left) == [8, 9, 10, 12], "batches of 8, 9, 10 and 10 clips"
    groups = alike(algorithm, DATA, splits())
    assert sorted(len(group) for group in groups) == [1, 1, 2]
    together = fit_together(algorithm, DATA, splits(), 3, torch.float64)
    assert list(together) == [fold.subject for fold in FOLDS]
    for split in splits():
        expected = fit(algorithm, DATA, split, 3, torch.float64)
        difference = logits(algorithm, together[split.subject]) - logits(algorithm, expected)
        assert float(difference.abs().max()) <= 1e-9


def test_a_view_that_no_loss_reads_is_never_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    from mersearch.training import batches

    read: set[str] = set()
    plain = batches.LazyBatch.__getitem__

    def watched(self: Any, name: str) -> Tensor:
        read.add(name)
        return plain(self, name)

    monkeypatch.setattr(batches.LazyBatch, "__getitem__", watched)
    fit_together(Toy(Settings(steps=3), DATASET.shapes), DATA, splits(), 3, torch.float32)
    assert read == {"micro.flow", "micro.emotion", "micro.subject", "sign"}


def test_a_chunk_that_does_not_fit_into_the_memory_of_a_card_says_what_would() -> None:
    class Large(Toy):
        def loss(self, *arguments: Any) -> tuple[Tensor, State, Logs]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nMore of it.")

    with pytest.raises(
        ChunkTooLarge, match=r"fit into the memory.*\n.*4 folds: CUDA out.*9 GiB.\n.*folds.chunk"
    ):
        train_chunk(Large(Settings(), DATASET.shapes), DATA, FOLDS, seed=3, backend="fused")


CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible to torch")


@pytest.mark.gpu
@CARD
def test_folds_that_are_fused_on_a_card_are_those_of_the_loop_there(algorithm: Algorithm) -> None:
    there = DeviceData.from_dataset(DATASET, "cuda")
    loop = {split.subject: fit(algorithm, there, split, 3, torch.float64) for split in splits()}
    for captured in (False, True):
        together = fit_together(algorithm, there, splits(), 3, torch.float64, captured=captured)
        for subject, expected in loop.items():
            for name, value in together[subject].parameters.items():
                assert torch.allclose(value, expected.parameters[name], rtol=0, atol=1e-6), (captured, name)


@pytest.mark.gpu
@CARD
def test_a_chunk_on_a_card_is_measured_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from mersearch import batching
    from mersearch.numerics import numeric_mode
    from mersearch.timing import Trial

    trial = Trial(LONG["quintuplet"](DATASET.shapes), DeviceData.from_dataset(DATASET, "cuda"), FOLDS)
    mode = numeric_mode(1, 4, "fused", "cuda")
    several = batching.Candidate("fused", 4)
    assert (batching._measured(trial, 1, mode, 1, 1, several).seconds or 0) > 0
    monkeypatch.setattr(batching, "available", lambda device: 2**10)
    assert batching._measured(trial, 1, mode, 1, 1, several).bytes > 2**10


@pytest.mark.parametrize("backend", ["loop-graph", "fused-graph"])
def test_graphs_are_refused_on_a_processor(backend: str) -> None:
    with pytest.raises(ConfigError, match=rf"folds.backend={backend} captures CUDA graphs\n.*the device cpu"):
        train_chunk(Toy(Settings(), DATASET.shapes), DATA, FOLDS, seed=3, backend=backend)


def test_a_plan_whose_rows_change_their_shape_with_the_steps_is_refused() -> None:
    class Ragged(Toy):
        def plan(self, stage: Stage, update: Update, training: Any, rng: Any) -> Any:
            plan = super().plan(stage, update, training, rng)
            clips = plan["micro"].shape[1] if stage.steps == 1 else len(training.micro)
            return {name: array[:, :clips] for name, array in plan.items()}

    with pytest.raises(TrialFailure, match="the same shapes for any number of steps"):
        train_chunk(Ragged(Settings(steps=4, batch=30), DATASET.shapes), DATA, FOLDS, seed=3, backend="fused")

"""Small folds, single classes, one frame; what predictions see; the refit on all clips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch.algorithm import Batch, Parameters, Plan, Stage, State, Training, Update
from mersearch.data.folds import folds
from mersearch.errors import DataError
from mersearch.testing.clips import small_dataset
from mersearch.training import DeviceData, train_all, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import fit
from tests.folded import DATA, DATASET, FOLDS, SETTINGS, toy, train
from tests.toy import Settings, Toy


def test_without_macro_clips_the_plan_sees_none() -> None:
    class Spy(Toy):
        def plan(self, stage: Stage, update: Update, training: Training, rng: np.random.Generator) -> Plan:
            assert training.macro is None
            return super().plan(stage, update, training, rng)

    dataset = small_dataset()
    algorithm = Spy(Settings(steps=3), dataset.shapes)
    assert len(train(algorithm, list(folds(dataset)), dataset)) == 5


@pytest.mark.parametrize(
    ("subjects", "macro", "rule"),
    [
        ((5, 3, 1, 4, 7), True, "a fold has every clip of the data once"),
        ((5, 3, 1, 4), True, "a fold has every clip of the data once"),
        ((5, 3, 1, 4, 6), False, "a fold has every clip of the data once"),
        ((4, 4, 1, 4, 6), True, "a fold never trains on a subject that it tests"),
    ],
)
def test_a_fold_of_other_data_is_refused(subjects: tuple[int, ...], macro: bool, rule: str) -> None:
    other = DeviceData.from_dataset(small_dataset(subjects, macro=macro))
    algorithm = Toy(dataclasses.replace(SETTINGS, macro=False), other.shapes)
    fold = next(fold for fold in FOLDS if fold.subject == "micro/00")
    with pytest.raises(DataError, match=rule):
        train_chunk(algorithm, other, [fold], seed=3)


def test_more_held_out_clips_than_a_batch_of_predictions_keep_their_order() -> None:
    dataset = small_dataset((150, 10))
    fold = next(fold for fold in folds(dataset) if len(fold.test) == 150)
    data = DeviceData.from_dataset(dataset)
    algorithm = Toy(Settings(steps=3), dataset.shapes)
    result = train_chunk(algorithm, data, [fold], seed=3)[0]
    fitted = fit(algorithm, data, Split(fold.subject, fold.train, fold.macro), 3, torch.float32)
    assert dataset.micro.flow is not None
    flow = torch.tensor(dataset.micro.flow[fold.test]).float() / 127
    expected, _ = algorithm.predict(fitted.parameters, fitted.state, {"micro.flow": flow})
    np.testing.assert_allclose(result.logits, expected.numpy(), atol=1e-5)


def test_predict_sees_views_of_held_out_clips_and_nothing_else() -> None:
    names: list[set[str]] = []

    class Spy(Toy):
        def predict(self, parameters: Parameters, state: State, batch: Batch) -> tuple[Tensor, Tensor]:
            names.append(set(batch))
            assert not torch.is_grad_enabled()
            return super().predict(parameters, state, batch)

    train(Spy(dataclasses.replace(SETTINGS, steps=1), DATASET.shapes), [FOLDS[0]])
    assert names == [{"micro.rgb", "micro.flow"}]


def test_a_refit_counts_the_steps_of_all_stages() -> None:
    told: list[tuple[int, int]] = []
    train_all(toy(steps=20, macro=True), DATA, 3, on_steps=lambda *steps: told.append(steps))
    assert told == [(20, 40), (40, 40)], "two stages, shorter than the time between two looks"


def test_a_refit_on_all_clips_repeats_and_leaves_plain_tensors() -> None:
    algorithm = toy(steps=100, lr=0.02, dropout=0.0, macro=False)
    parameters, state = train_all(algorithm, DATA, 3)
    again, _ = train_all(algorithm, DATA, 3)
    assert all(torch.equal(parameters[name], again[name]) for name in again)
    assert not any(value.requires_grad for value in (*parameters.values(), *state.values()))
    assert parameters["head.weight"].untyped_storage().nbytes() == parameters["head.weight"].nbytes
    batch = {"micro.flow": torch.tensor(np.array(DATASET.micro.flow)).float() / 127}
    logits, _ = toy().predict(parameters, state, batch)
    assert (logits.argmax(1).numpy() == DATASET.micro.labels.emotion).mean() > 0.8

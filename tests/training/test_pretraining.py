"""Training on macro clips alone: once, the same for every fold, trial and back-end, and blind to who is held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Algorithm, Logs, Shapes, Stage, State, settings_from
from mersearch.data.clips import DataSet
from mersearch.data.folds import folds
from mersearch.errors import ConfigError, DataError, TrialFailure
from mersearch.testing.clips import small_dataset
from mersearch.testing.subject import views_of
from mersearch.training import DeviceData, Fitted, Pretraining, train_all, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import fit
from mersearch.training.fused import fit_together
from mersearch.training.pretrained import Pretrained
from mersearch.training.pretraining import NOTHING, Starts
from mersearch.training.processes import Pool
from tests.every import QUINTUPLET
from tests.pretrained import NAMED, Hidden, Shared, counted, relatives, shared
from tests.toy import Settings
from trainables.quintuplet import Quintuplet

DATASET = small_dataset((4, 3, 1, 5), size=16, macro=True)
DATA = DeviceData.from_dataset(DATASET)
FOLDS = folds(DATASET)
SPLITS = [Split.of(fold) for fold in FOLDS]
SEED = 5
BACKENDS = ("loop", "fused", "processes")

LONG: dict[str, Callable[[Shapes], Algorithm]] = {
    "toy": partial(Shared, Settings(steps=30, macro=True, clip_norm=0.5)),
    "quintuplet": partial(
        Quintuplet,
        settings_from(
            Quintuplet.Settings,
            {
                **QUINTUPLET,
                "pretrain": {"steps": 20, "batch": 6},
                "mask": {"width": 4, "steps": 10, "batch": 4, "finetune": True},
                "train": {"steps": 15, "clip_norm": 1.0},
            },
        ),
    ),
}


@pytest.fixture(params=LONG)
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    return LONG[request.param](DATASET.shapes)


def starts_of(algorithm: Algorithm, dataset: DataSet = DATASET, **options: Any) -> Starts:
    data, splits = DeviceData.from_dataset(dataset), [Split.of(fold) for fold in folds(dataset)]
    chosen = {"seed": SEED, "dtype": torch.float32, **options}
    return Pretraining().starts(algorithm, data, splits, chosen["seed"], chosen["dtype"])


def keys_of(algorithm: Algorithm, dataset: DataSet = DATASET, **options: Any) -> set[str]:
    return {start.key for start in starts_of(algorithm, dataset, **options).found.values()}


def bits(start: Pretrained) -> dict[str, bytes]:
    tensors = {**start.parameters, **{f"state {name}": value for name, value in start.state.items()}}
    return {name: value.numpy().tobytes() for name, value in tensors.items()}


def logits(algorithm: Algorithm, fitted: Fitted) -> Tensor:
    with torch.no_grad():
        views = views_of(DATASET, FOLDS[0].train, torch.float64)
        return algorithm.predict(fitted.parameters, fitted.state, views)[0]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(DATA, 1) as opened:
        yield opened


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_partition_begins_with_the_same_and_ends_within_rounding_of_the_loop(
    algorithm: Algorithm,
) -> None:
    """At least 60 optimiser steps; also with steps that a card could record."""
    chosen = SPLITS[:2]
    assert sum(stage.steps * len(stage.updates) for stage in algorithm.stages()) >= 60
    starts = Pretraining().starts(algorithm, DATA, chosen, SEED, torch.float64).found
    loop = {
        split.subject: fit(algorithm, DATA, split, SEED, torch.float64, start=starts[split.subject])
        for split in chosen
    }
    for chunk, captured in ((chosen, False), (chosen[:1], False), (chosen[1:], False), (chosen, True)):
        together = fit_together(algorithm, DATA, chunk, SEED, torch.float64, captured=captured, starts=starts)
        for subject, found in together.items():
            difference = logits(algorithm, found) - logits(algorithm, loop[subject])
            assert float(difference.abs().max()) <= 1e-9, (subject, len(chunk), captured)
            assert found.diagnostics.keys() == loop[subject].diagnostics.keys()
            assert found.pretrained == loop[subject].pretrained == starts[subject].key


@pytest.mark.usefixtures("one_thread")
def test_a_chunk_of_every_back_end_begins_with_the_same(algorithm: Algorithm, pool: Pool) -> None:
    loop, fused, processes = (
        train_chunk(algorithm, DATA, FOLDS[:2], seed=SEED, dtype=torch.float64, backend=backend, pool=pool)
        for backend in BACKENDS
    )
    for expected, close, same in zip(loop, fused, processes, strict=True):
        assert close.pretrained == same.pretrained == expected.pretrained
        assert abs(close.logits - expected.logits).max() <= 1e-6, "both are rounded to float32"
        assert same.logits.tobytes() == expected.logits.tobytes()
        assert str(same.diagnostics) == str(expected.diagnostics)


def test_it_is_computed_once_for_all_folds_chunks_and_trials(tmp_path: Path) -> None:
    with counted() as computed:
        for dropout in (0.1, 0.5):
            kept = Pretraining(tmp_path)
            for chunk in (FOLDS[:3], FOLDS[3:]):
                algorithm = shared(DATASET, dropout=dropout)
                results = train_chunk(algorithm, DATA, chunk, seed=SEED, pretraining=kept)
                assert {result.pretrained for result in results} == {*computed}
    assert len(computed) == 1, "the dropout is not named, so it cannot matter"


def test_what_comes_from_disk_has_the_bits_of_what_was_computed_just_now(
    algorithm: Algorithm, tmp_path: Path
) -> None:
    now = train_chunk(algorithm, DATA, FOLDS[:2], seed=SEED, pretraining=Pretraining(tmp_path))
    with counted() as computed:
        later = train_chunk(algorithm, DATA, FOLDS[:2], seed=SEED, pretraining=Pretraining(tmp_path))
    assert not computed
    for first, second in zip(now, later, strict=True):
        assert first.logits.tobytes() == second.logits.tobytes()
        assert str(first.diagnostics) == str(second.diagnostics)


def test_a_fold_begins_with_what_macro_clips_alone_give_and_otherwise_as_it_would() -> None:
    algorithm = shared(DATASET)
    start = starts_of(algorithm).found[FOLDS[0].subject]
    assert {*start.parameters} == {"features.weight", "macro_head.weight", "macro_head.bias"}
    fresh, _ = algorithm.init(seeds.seed(SEED, "init", FOLDS[0].subject))
    idle = shared(DATASET, steps=0)
    begun = fit(idle, DATA, SPLITS[0], SEED, torch.float32, start=start)
    for name, value in begun.parameters.items():
        assert torch.equal(value, start.parameters.get(name, fresh[name])), name
    assert torch.equal(begun.state["average"], start.state["average"])


@pytest.mark.parametrize(
    "other",
    [
        {"width": 7},
        {"lr": 0.02},
        {"steps": 21},
    ],
    ids=str,
)
def test_a_setting_that_is_named_makes_another_one(other: dict[str, Any]) -> None:
    assert keys_of(shared(DATASET)).isdisjoint(keys_of(shared(DATASET, **other)))


def test_a_setting_that_is_not_named_is_at_its_default_there() -> None:
    usual, other = (starts_of(shared(DATASET, dropout=dropout)).found for dropout in (0.2, 0.7))
    subject = FOLDS[0].subject
    assert usual[subject].key == other[subject].key
    assert bits(usual[subject]) == bits(other[subject])


def test_seed_precision_code_threads_and_every_pixel_and_label_make_another_one() -> None:
    algorithm = shared(DATASET)
    keys = [keys_of(algorithm), keys_of(algorithm, seed=6), keys_of(algorithm, dtype=torch.float64)]
    coded = Pretraining(code=lambda: "other code").starts(algorithm, DATA, SPLITS, SEED, torch.float32)
    keys.append({start.key for start in coded.found.values()})
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    keys.append(keys_of(algorithm))
    torch.set_num_threads(before)
    assert DATASET.macro is not None
    assert DATASET.macro.flow is not None
    flow = DATASET.macro.flow.copy()
    flow[3, 0, 0, 0, 0] += 1
    emotion = DATASET.macro.labels.emotion.copy()
    emotion[2] = (emotion[2] + 1) % 4
    others = (
        dataclasses.replace(DATASET.macro, flow=flow),
        dataclasses.replace(DATASET.macro, labels=dataclasses.replace(DATASET.macro.labels, emotion=emotion)),
        dataclasses.replace(DATASET.macro, subjects=("macro/00", "macro/02")),
    )
    keys += [keys_of(algorithm, dataclasses.replace(DATASET, macro=macro)) for macro in others]
    assert [len(found) for found in keys] == [1] * 8
    assert len(set.union(*keys)) == 8


def test_micro_clips_do_not_reach_it() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, DATASET.micro.flow.shape, np.uint8).view(np.int8)  # type: ignore[union-attr]
    emotion = np.roll(DATASET.micro.labels.emotion, 1)
    labels = dataclasses.replace(DATASET.micro.labels, emotion=emotion)
    other = dataclasses.replace(DATASET, micro=dataclasses.replace(DATASET.micro, flow=noise, labels=labels))
    first, second = (starts_of(shared(DATASET), data).found[FOLDS[0].subject] for data in (DATASET, other))
    assert first.key == second.key
    assert bits(first) == bits(second)


class Peeking(Shared):
    """Asks for a micro clip in the shared stage."""

    def plan(self, stage: Stage, *arguments: Any) -> Any:
        plan = super().plan(stage, *arguments)
        return {**plan, "micro": plan["macro"]} if stage.name == "macro" else plan


def test_a_plan_that_asks_for_a_micro_clip_is_refused() -> None:
    with pytest.raises(TrialFailure, match=r"among the fold's 0 training clips.*\n.*macro clips alone"):
        starts_of(Peeking(Settings(macro=True), DATASET.shapes))


def test_where_people_are_on_both_kinds_of_clips_their_folds_have_one_of_their_own(tmp_path: Path) -> None:
    dataset = relatives()
    data, splits = DeviceData.from_dataset(dataset), [Split.of(fold) for fold in folds(dataset)]
    with counted() as computed:
        for dropout in (0.1, 0.5):
            algorithm = shared(dataset, dropout=dropout)
            starts = Pretraining(tmp_path).starts(algorithm, data, splits, SEED, torch.float32).found
    seen = {subject: start.seen for subject, start in starts.items()}
    assert seen == {
        "micro/00": {"micro/03"},
        "micro/01": {"micro/00", "micro/03"},
        "micro/02": {"micro/00", "micro/03"},
        "micro/03": {"micro/00"},
    }
    assert len(computed) == len({start.key for start in starts.values()}) == 3, "also shared by trials"


class Careless(Pretraining):
    """Gives every fold what has seen everybody."""

    def starts(self, *arguments: Any) -> Starts:
        found = {
            subject: dataclasses.replace(start, seen=start.seen | {"micro/03"})
            for subject, start in super().starts(*arguments).found.items()
        }
        return Starts(found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fold_whose_subject_was_seen_is_refused(backend: str, pool: Pool) -> None:
    with pytest.raises(
        DataError,
        match=r"has seen its own subject\n.*fold micro/03, .* macro clips of 3 people, micro/03 among",
    ):
        train_chunk(
            shared(DATASET), DATA, FOLDS, seed=SEED, backend=backend, pool=pool, pretraining=Careless()
        )


def test_macro_clips_of_the_held_out_subject_are_refused_before_anything_is_trained_on_them() -> None:
    dataset = relatives()
    everything = Split("micro/00", FOLDS[0].train, np.arange(14))
    data = DeviceData.from_dataset(dataset)
    with counted() as computed, pytest.raises(DataError, match="has seen its own subject"):
        Pretraining().starts(shared(dataset), data, [everything], SEED, torch.float32)
    assert not computed


def test_without_a_shared_stage_there_is_nothing_to_begin_with() -> None:
    from tests.every import EVERY

    for build in EVERY.values():
        assert Pretraining().starts(build(DATASET.shapes), DATA, SPLITS, SEED, torch.float32) is NOTHING


def test_a_fold_is_not_trained_without_what_it_begins_with() -> None:
    with pytest.raises(TrialFailure, match=r"what the shared stages .* leave\n.*without macro"):
        fit(shared(DATASET), DATA, SPLITS[0], SEED, torch.float32)


def test_a_refit_on_all_clips_begins_with_all_macro_clips() -> None:
    with counted() as computed:
        kept = Pretraining()
        train_chunk(shared(DATASET), DATA, FOLDS[:1], seed=SEED, pretraining=kept)
        parameters, _ = train_all(shared(DATASET), DATA, SEED, pretraining=kept)
    assert len(computed) == 1
    assert torch.equal(
        parameters["macro_head.weight"],
        starts_of(shared(DATASET)).found[FOLDS[0].subject].parameters["macro_head.weight"],
    )


class Late(Shared):
    """Its shared stage is the last one."""

    def stages(self) -> tuple[Stage, ...]:
        return super().stages()[::-1]


class Mistaken(Shared):
    named = (*NAMED, "depth")


class Narrow(Shared):
    """Forgets the width, on which no stage depends, but the shapes of what is trained do."""

    named = tuple(name for name in NAMED if name != "width")


class Forgetful:
    """Keeps its settings to itself."""

    def __init__(self, settings: Settings, shapes: Shapes) -> None:
        self._inner = Shared(settings, shapes)

    def __getattr__(self, name: str) -> Any:
        if name == "settings":
            raise AttributeError(name)
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    ("cls", "error", "message"),
    [
        (Late, TrialFailure, r"shared stages come before.*\n.*main, macro \(shared\)"),
        (Hidden, TrialFailure, r"names every setting that it depends on\n.*\['dropout'\] give another stage"),
        (Mistaken, ConfigError, r"names settings of its algorithm.*\n.*'depth' in Settings"),
        (
            Narrow,
            TrialFailure,
            r"the shapes of what it trains.*\n.*features.weight of shape \(6, 768\).*\(9, 768\)",
        ),
        (Forgetful, TrialFailure, r"keeps its settings and shapes.*\n.*Forgetful without"),
    ],
)
def test_a_shared_stage_that_breaks_a_rule_is_named(cls: Any, error: Any, message: str) -> None:
    algorithm = cls(Settings(steps=3, width=9, macro=True), DATASET.shapes)
    with pytest.raises(error, match=message):
        train_chunk(algorithm, DATA, FOLDS[:1], seed=SEED)


class Diverging(Shared):
    def loss(self, name: str, *arguments: Any) -> tuple[Tensor, State, Logs]:
        loss, state, logs = super().loss(name, *arguments)
        return loss * torch.where(arguments[-1] >= 7, float("nan"), 1.0), state, logs


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_shared_stage_that_diverges_fails_every_fold_that_would_begin_with_it(backend: str) -> None:
    algorithm, failures = Diverging(Settings(steps=9, macro=True), DATASET.shapes), {}
    with pytest.raises(TrialFailure, match=r"nan at step 7, fold \(macro clips alone\), stage macro"):
        train_chunk(algorithm, DATA, FOLDS, seed=SEED, backend=backend)
    results = train_chunk(algorithm, DATA, FOLDS, seed=SEED, backend=backend, on_failure=failures.__setitem__)
    assert results == []
    assert [*failures] == [fold.subject for fold in FOLDS]

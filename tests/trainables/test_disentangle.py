"""The algorithm as a whole: what it needs, trains, returns and refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mersearch.algorithm import Stage, Training, Update
from mersearch.data.folds import folds
from mersearch.errors import ConfigError, Several, TrialFailure
from mersearch.training import DeviceData, train_chunk
from mersearch.training.batches import Split
from mersearch.training.fit import fit
from tests.trainables.clips import (
    batch_of,
    dataset,
    disentangle,
    doubles,
    labels,
    loss_of,
    shapes,
    training,
    updates,
)
from trainables.blocks.augmentation import mirror
from trainables.disentangle import Disentangle
from trainables.disentangle.algorithm import standardised
from trainables.disentangle.idnet import quarters
from trainables.disentangle.sampling import subject_entropy

ALONE: dict[str, Any] = {"identity": {"enabled": False}}
VARIANTS: dict[str, dict[str, Any]] = {
    "usual": {},
    "smile": {"information": {"estimator": "smile"}},
    "infonce": {"information": {"estimator": "infonce"}},
    "club": {"information": {"estimator": "club"}},
    "cosine": {"divergence": {"similarity": "cosine"}},
    "one head": {"attention": {"heads": 1}},
    "rgb frames": {"view": "rgb", "rgb_input": "frames"},
    "identity from flow": {"identity": {"view": "flow"}},
    "plain mean": {"identity": {"global_attention": False}},
    "without IDNet": ALONE,
    "without weight": {"information": {"weight": 0.0}, "divergence": {"weight": 0.0}},
    "unstaged": {"train": {"staged": False}},
    "all frames, raw": {"frames": 0, "flow_input": "raw"},
    "no augmentation": {"augmentation": {"flip": False, "shift": 0.0, "brightness": 0.0, "magnitude": 0.0}},
}
GROUPS = {
    "identity": {"idnet", "subjects"},
    "emotion": {"menet", "classifier"},
    "critic": {"critic"},
    "separate": {"menet", "classifier"},
}


def named(algorithm: Disentangle, loss: str) -> tuple[Stage, Update]:
    """The last update with this loss."""
    return next(found for found in reversed(updates(algorithm)) if found[1].loss == loss)


def batch_for(algorithm: Disentangle, loss: str, known: Training | None = None) -> dict[str, Tensor]:
    return batch_of(algorithm, *named(algorithm, loss), known or training())


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_every_loss_is_finite_and_reaches_all_of_its_group(changes: dict[str, Any]) -> None:
    algorithm = disentangle(**changes)
    for stage, update in updates(algorithm):
        assert set(update.group) == GROUPS[update.loss]
        parameters = doubles(algorithm)
        own = {name: value for name, value in parameters.items() if name.partition(".")[0] in update.group}
        for value in own.values():
            value.requires_grad_()
        loss, logs = loss_of(
            algorithm, parameters, batch_of(algorithm, stage, update, training()), update.loss
        )
        assert loss.shape == ()
        assert loss.isfinite()
        assert all(value.isfinite() for value in logs.values())
        loss.backward()
        reached = {
            name.partition(".")[0]
            for name, value in own.items()
            if value.grad is not None and value.grad.any()
        }
        assert reached == GROUPS[update.loss]
        assert all(value.grad.isfinite().all() for value in own.values() if value.grad is not None)


@pytest.mark.parametrize("loss", GROUPS)
def test_an_update_moves_its_group_and_nothing_else(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset()
    algorithm, place = disentangle(data.shapes), DeviceData.from_dataset(data)
    stage, update = named(algorithm, loss)
    monkeypatch.setattr(algorithm, "stages", lambda: (Stage(stage.name, 2, (update,)),))
    starts: list[dict[str, Tensor]] = []
    start = algorithm.init
    monkeypatch.setattr(algorithm, "init", lambda key: (starts.append(start(key)[0]), start(key))[1])
    fold = folds(data)[0]
    after = fit(algorithm, place, Split(fold.subject, fold.train, fold.macro), 0, torch.float32).parameters
    moved = {name.partition(".")[0] for name in after if not torch.equal(after[name], starts[0][name])}
    assert moved == GROUPS[loss]


def test_stages_follow_the_settings() -> None:
    def told(**changes: Any) -> list[tuple[str, int, list[tuple[str, int]]]]:
        stages = disentangle(**changes).stages()
        return [(stage.name, stage.steps, [(u.loss, u.repeats) for u in stage.updates]) for stage in stages]

    steps = {"information": {"critic_steps": 3}}
    assert told(**steps) == [
        ("identity", 3, [("identity", 1)]),
        ("emotion", 3, [("emotion", 1)]),
        ("critic", 3, [("critic", 1)]),
        ("separate", 4, [("critic", 3), ("separate", 1)]),
    ]
    alone = [("emotion", 3, [("emotion", 1)]), ("separate", 4, [("separate", 1)])]
    assert told(**ALONE) == told(information={"weight": 0.0}) == alone
    unstaged = {"train": {"staged": False}}
    assert told(**unstaged, **steps) == [("joint", 7, [("identity", 1), ("critic", 3), ("separate", 1)])]
    assert told(**unstaged, **ALONE) == [("joint", 7, [("separate", 1)])]
    rates = {
        "emotion": {"lr": 0.4},
        "train": {"lr": 0.1},
        "identity": {"lr": 0.2},
        "information": {"lr": 0.3},
    }
    found = {(s.name, u.loss): u.optimiser.lr for s, u in updates(disentangle(**rates))}
    assert found == {
        ("identity", "identity"): 0.2,
        ("emotion", "emotion"): 0.4,
        ("critic", "critic"): 0.3,
        ("separate", "critic"): 0.3,
        ("separate", "separate"): 0.1,
    }


def test_subjects_that_the_fold_does_not_train_on_get_no_share_and_no_gradient() -> None:
    """Subjects are numbered over the database; 1 is held out here, and 4 and 5 have no clip at all."""
    algorithm = disentangle()
    known = Training(labels([i % 5 for i in range(18)], [(0, 2, 3)[i % 3] for i in range(18)]), None)
    batch = batch_for(algorithm, "identity", known)
    assert batch["present"].tolist() == [1, 0, 1, 1, 0, 0]
    parameters = {name: value.requires_grad_() for name, value in doubles(algorithm).items()}
    loss, _ = loss_of(algorithm, parameters, batch, "identity")
    loss.backward()
    for name in ("subjects.weight", "subjects.bias"):
        gradient = parameters[name].grad
        assert gradient is not None
        assert not gradient[[1, 4, 5]].any()
        assert gradient[[0, 2, 3]].reshape(3, -1).any(1).all()
    with torch.no_grad():
        parameters["subjects.weight"][[1, 4, 5]] *= 100
    assert torch.equal(loss_of(algorithm, parameters, batch, "identity")[0], loss)


def test_the_identity_loss_is_the_cross_entropy_over_the_subjects_present() -> None:
    algorithm = disentangle(augmentation=VARIANTS["no augmentation"]["augmentation"])
    batch, parameters = batch_for(algorithm, "identity"), doubles(algorithm)
    loss, logs = loss_of(algorithm, parameters, batch, "identity")
    feature = algorithm._model.identity(parameters, batch)
    logits = feature @ parameters["subjects.weight"][:3].T + parameters["subjects.bias"][:3]
    rows = list(zip(logits.tolist(), batch["micro.subject"].tolist(), strict=True))
    expected = sum(math.log(sum(math.exp(x) for x in row)) - row[who] for row, who in rows) / len(rows)
    assert float(loss) == pytest.approx(expected)
    right = sum(row.index(max(row)) == who for row, who in rows) / len(rows)
    assert float(logs["accuracy"]) == pytest.approx(right)


@pytest.mark.parametrize("name", ["critic", "separate"])
def test_the_picture_of_the_information_term_is_not_augmented(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm = disentangle(augmentation={"shift": 0.3, "brightness": 0.5})
    batch, parameters = batch_for(algorithm, name), doubles(algorithm)
    plain = standardised(algorithm._model.identity(parameters, batch))
    seen: list[tuple[Tensor, Tensor]] = []
    call = algorithm._model.call

    def spy(network: str, own: dict[str, Tensor], *inputs: Any) -> Any:
        if network == "critic":
            seen.append((inputs[0], inputs[1]))
        return call(network, own, *inputs)

    monkeypatch.setattr(algorithm._model, "call", spy)
    for key in (5, 6):
        loss_of(algorithm, parameters, batch, name, key=key)
    (first_motion, first_identity), (motion, identity) = seen
    assert torch.equal(identity, plain)
    assert torch.equal(first_identity, plain)
    assert not torch.allclose(motion, first_motion)
    own = batch_for(algorithm, "identity")
    values = [float(loss_of(algorithm, parameters, own, "identity", key=key)[0]) for key in (5, 6)]
    assert values[0] != values[1]


@pytest.mark.parametrize(("view", "other"), [("rgb", "flow"), ("flow", "rgb")])
def test_idnet_sees_the_onset_frame_or_the_mean_flow(view: str, other: str) -> None:
    algorithm = disentangle(identity={"view": view})
    batch, parameters = batch_for(algorithm, "critic"), doubles(algorithm)
    feature = algorithm._model.identity(parameters, batch)
    later, swapped = batch[f"micro.{view}"].clone(), dict(batch)
    if view == "rgb":
        later[:, :, 1:] = 0
    else:
        later = later.flip(2)
    swapped |= {f"micro.{view}": later, f"micro.{other}": torch.zeros_like(later)}
    assert torch.allclose(algorithm._model.identity(parameters, swapped), feature)


@pytest.mark.parametrize("staged", [True, False])
def test_the_loss_is_the_weighted_sum_of_its_terms_and_the_information_is_ramped(staged: bool) -> None:
    algorithm = disentangle(
        divergence={"weight": 0.7},
        information={"weight": 0.4, "ramp": 0.5, "estimator": "club"},
        emotion={"steps": 10},
        train={"steps": 20, "staged": staged},
    )
    batch, parameters = batch_for(algorithm, "separate"), doubles(algorithm)
    rise, signs = 10 if staged else 15, set()
    for step in (0, 4, 9, 14, 19):
        for key in range(3):
            loss, logs = loss_of(algorithm, parameters, batch, "separate", step, key)
            ramp, shared = min(1, (step + 1) / rise), float(logs["information"])
            expected = (
                float(logs["classification"]) + 0.7 * float(logs["overlap"]) + 0.4 * ramp * max(shared, 0)
            )
            assert float(loss) == pytest.approx(expected)
            signs.add(shared > 0)
    assert True in signs
    usual, _ = loss_of(algorithm, parameters, batch, "emotion")
    _, logs = loss_of(algorithm, parameters, batch, "separate")
    assert float(usual) == pytest.approx(float(logs["classification"]) + 0.7 * float(logs["overlap"]))


def test_scaling_or_shifting_a_component_of_the_feature_changes_nothing_that_the_critic_sees() -> None:
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(20, 5, generator=generator, dtype=torch.float64)
    seen = standardised(feature)
    assert torch.allclose(seen.mean(0), torch.zeros(5, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(seen.var(0, correction=0), torch.ones(5, dtype=torch.float64), atol=1e-6)
    scale = torch.tensor([1e-2, 0.1, 1.0, 10.0, 1e3], dtype=torch.float64)
    assert torch.allclose(standardised(feature * scale + 3.0), seen, atol=1e-3)


def test_a_component_that_is_the_same_for_all_clips_has_a_finite_gradient() -> None:
    feature = torch.ones(4, 2, requires_grad=True)
    standardised(feature).square().sum().backward()
    assert feature.grad is not None
    assert feature.grad.isfinite().all()


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 3), (4, 4), (7, 7)])
def test_quarters_are_the_cells_of_an_adaptive_pooling(h: int, w: int) -> None:
    x = torch.randn(3, h, w, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pooled = torch.nn.functional.adaptive_avg_pool2d(x.permute(0, 3, 1, 2), 2)
    assert torch.allclose(quarters(x), pooled.flatten(2))


def test_information_below_zero_adds_nothing_and_pushes_nowhere() -> None:
    algorithm = disentangle(information={"estimator": "club"})
    batch = batch_for(algorithm, "separate")
    starts = [doubles(algorithm, key) for key in range(8)]
    read = [float(loss_of(algorithm, start, batch, "separate", 3)[1]["information"]) for start in starts]
    assert min(read) < 0
    leaves = {name: value.requires_grad_() for name, value in starts[read.index(min(read))].items()}
    loss, _ = loss_of(algorithm, leaves, batch, "separate", 3)
    usual, _ = loss_of(algorithm, leaves, batch, "emotion", 3)
    assert torch.equal(loss, usual)
    motion = [name for name in leaves if name.startswith("menet.")]
    found, expected = (
        torch.autograd.grad(value, [leaves[name] for name in motion]) for value in (loss, usual)
    )
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("estimator", ["mine", "smile", "infonce"])
@pytest.mark.parametrize("score", [math.nan, -math.inf, math.inf])
def test_scores_that_are_no_numbers_are_a_loss_that_is_none(estimator: str, score: float) -> None:
    algorithm = disentangle(information={"estimator": estimator})
    parameters = doubles(algorithm)
    for name, value in (("hidden.weight", 0.0), ("hidden.bias", 1.0), ("score.weight", score)):
        parameters[f"critic.{name}"] = torch.full_like(parameters[f"critic.{name}"], value)
    for loss in ("critic", "separate"):
        found, _ = loss_of(algorithm, parameters, batch_for(algorithm, loss), loss, 3)
        assert not found.isfinite()


def test_a_trial_with_such_scores_fails_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset()
    algorithm, place = disentangle(data.shapes, emotion={"steps": 0}), DeviceData.from_dataset(data)
    call = algorithm._model.call

    def broken(network: str, own: dict[str, Tensor], *inputs: Any) -> Any:
        result = call(network, own, *inputs)
        return result - math.inf if network == "critic" else result

    monkeypatch.setattr(algorithm._model, "call", broken)
    with pytest.raises(TrialFailure, match=r"a loss stays finite\n.*loss critic"):
        train_chunk(algorithm, place, folds(data)[:1], seed=0)


def test_batches_hold_distinct_clips_with_the_weights_of_classes_and_pairs() -> None:
    algorithm, known = disentangle(batch={"balance": 1.0}), training(micro=[0] * 9 + [1] * 4 + [2] * 3)
    stage, update = named(algorithm, "critic")
    plan = algorithm.plan(stage, update, known, np.random.default_rng(0))
    steps = stage.steps * update.repeats
    assert plan["micro"].shape == (steps, 7)
    assert plan["pairs"].shape == (steps, 7, 7)
    assert all(len(set(row)) == 7 for row in plan["micro"].tolist())
    assert plan["pairs"].sum((1, 2)) == pytest.approx(np.ones(steps), abs=1e-6)
    weight = {0: 16 / 27, 1: 16 / 12, 2: 16 / 9}
    wanted = [[weight[known.micro.emotion[clip]] for clip in row] for row in plan["micro"].tolist()]
    assert plan["weight"] == pytest.approx(np.array(wanted), rel=1e-6)
    assert plan["ceiling"] == pytest.approx(subject_entropy(known.micro))


def test_the_ceiling_is_the_entropy_of_the_subject() -> None:
    p = [3 / 6, 2 / 6, 1 / 6]
    expected = -sum(share * math.log(share) for share in p)
    assert subject_entropy(labels([0] * 6, [0, 0, 0, 2, 2, 5])) == pytest.approx(expected)
    assert subject_entropy(labels([0] * 4, [3] * 4)) == 0


@pytest.mark.parametrize("view", ["flow", "rgb"])
def test_a_prediction_is_the_mean_over_a_clip_and_its_mirror_image(view: str) -> None:
    algorithm, single = (disentangle(view=view, predict_mirrored=both) for both in (True, False))
    parameters, batch = doubles(algorithm), batch_for(algorithm, "emotion")
    seen = mirror({name: batch[f"micro.{name}"].transpose(1, 2) for name in ("rgb", "flow")})
    mirrored = {f"micro.{name}": clip.transpose(1, 2) for name, clip in seen.items()}
    logits, maps = algorithm.predict(parameters, {}, batch)
    own, other = (single.predict(parameters, {}, each) for each in (batch, mirrored))
    assert torch.allclose(logits, (own[0] + other[0]) / 2)
    assert torch.allclose(maps, (own[1] + other[1].flip(-1)) / 2)
    assert not torch.allclose(own[0], other[0])
    assert logits.shape == (7, 5)
    assert maps.shape == (7, 14, 14)
    assert 0 <= float(maps.min()) <= float(maps.max()) <= 1


@pytest.mark.parametrize("frames", [1, 2, 16])
@pytest.mark.parametrize("size", [12, 40])
def test_other_lengths_and_sizes(frames: int, size: int) -> None:
    algorithm = disentangle(shapes(frames=frames, size=size))
    for stage, update in updates(algorithm):
        batch = batch_of(algorithm, stage, update, training())
        assert loss_of(algorithm, doubles(algorithm), batch, update.loss)[0].isfinite()
    assert algorithm.predict(doubles(algorithm), {}, batch)[1].shape[1:] == (14, 14)


@pytest.mark.parametrize("emotions", [[1, 1, 1, 1], [0, 1, 1], [2, 0]])
def test_few_clips_and_one_class_have_finite_losses(emotions: list[int]) -> None:
    algorithm = disentangle()
    known = Training(labels(emotions), None)
    for stage, update in updates(algorithm):
        batch = batch_of(algorithm, stage, update, known)
        assert loss_of(algorithm, doubles(algorithm), batch, update.loss)[0].isfinite()


def test_needs_are_the_views_that_the_settings_read() -> None:
    assert disentangle().needs() == {"rgb", "flow"}
    assert disentangle(identity={"view": "flow"}).needs() == {"flow"}
    assert disentangle(**ALONE).needs() == {"flow"}
    assert disentangle(view="rgb").needs() == {"rgb"}


def test_views_that_are_not_on_disk_are_refused_together() -> None:
    with pytest.raises(Several, match="every view in use must be on disk") as caught:
        disentangle(shapes(views=()))
    assert len(caught.value.errors) == 2
    with pytest.raises(ConfigError, match=r"every view in use must be on disk\n.*identity\.view=rgb"):
        disentangle(shapes(views=("flow",)))
    assert disentangle(shapes(views=("flow",)), identity={"view": "flow"}).needs() == {"flow"}


def test_initial_parameters_are_a_function_of_the_key() -> None:
    algorithm = disentangle()
    (first, state), (again, _), (other, _) = (algorithm.init(key) for key in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])
    assert {name.partition(".")[0] for name in first} == {
        "menet",
        "classifier",
        "idnet",
        "subjects",
        "critic",
    }
    assert set(state) == {"log_mean", "seen"}
    assert {name.partition(".")[0] for name in disentangle(**ALONE).init(1)[0]} == {"menet", "classifier"}


def test_inspection_shows_the_feature_and_the_overlap_of_every_clip() -> None:
    algorithm = disentangle()
    found = algorithm.inspect(doubles(algorithm), {}, batch_for(algorithm, "emotion"))
    assert found["feature"].shape == (7, 8)
    assert found["overlap"].shape == (7,)

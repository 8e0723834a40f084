"""The algorithm as a whole: what it needs, trains, returns and refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from mersearch.algorithm import Training
from mersearch.errors import ConfigError, Several
from tests.trainables.clips import batch_of, doubles, labels, loss_of, quintuplet, shapes, training, updates
from trainables.quintuplet import Quintuplet
from trainables.quintuplet.settings import Settings

NO_MACRO: dict[str, Any] = {"quintuplet": {"macro": False}, "mask": {"macro": False}}
VARIANTS: dict[str, dict[str, Any]] = {
    "usual": {},
    "flow only": {"views": "flow"},
    "rgb only": {"views": "rgb"},
    "frames, raw flow": {"rgb_input": "frames", "flow_input": "raw"},
    "no mask": {"mask": {"enabled": False}},
    "finetune": {"mask": {"finetune": True}},
    "no macro": NO_MACRO,
    "cross terms and ramp": {"quintuplet": {"cross": 0.5}, "train": {"ramp": 1.0}},
    "cross entropy only": {"quintuplet": {"weight": 0.0}, "contrast": {"weight": 0.0}},
    "overlap": {"hard_types": {"policy": "au_overlap"}},
    "all frames": {"frames": 0},
    "no augmentation": {"augmentation": {"flip": False, "shift": 0.0, "brightness": 0.0, "magnitude": 0.0}},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_every_loss_trains_its_group_and_nothing_else(changes: dict[str, Any]) -> None:
    algorithm = quintuplet(**changes)
    for stage, update in updates(algorithm):
        parameters = {name: value.requires_grad_() for name, value in doubles(algorithm).items()}
        loss, _ = loss_of(algorithm, parameters, batch_of(algorithm, stage, update, training()), update.loss)
        assert loss.shape == ()
        assert loss.isfinite()
        loss.backward()
        moved = {name.partition(".")[0] for name, value in parameters.items() if value.grad is not None}
        assert moved == set(update.group)
        assert all(value.grad.isfinite().all() for value in parameters.values() if value.grad is not None)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_predictions_have_their_shapes_and_maps_lie_in_zero_to_one(changes: dict[str, Any]) -> None:
    algorithm = quintuplet(**changes)
    stage, update = updates(algorithm)[-1]
    batch = batch_of(algorithm, stage, update, training())
    views = {name: value for name, value in batch.items() if name in ("micro.rgb", "micro.flow")}
    logits, maps = algorithm.predict(doubles(algorithm), {}, views)
    assert logits.shape == (9, 5)
    assert maps.shape == (9, 14, 14)
    assert 0 <= float(maps.min()) <= float(maps.max()) <= 1


@pytest.mark.parametrize("frames", [1, 2, 16])
@pytest.mark.parametrize("size", [12, 28, 64])
def test_other_lengths_and_sizes(frames: int, size: int) -> None:
    algorithm = quintuplet(shapes(frames=frames, size=size))
    for stage, update in updates(algorithm):
        batch = batch_of(algorithm, stage, update, training())
        assert loss_of(algorithm, doubles(algorithm), batch, update.loss)[0].isfinite()
        assert algorithm.predict(doubles(algorithm), {}, batch)[1].shape[1:] == (14, 14)


@pytest.mark.parametrize("view", ["rgb", "flow"])
def test_one_view_on_disk_is_enough_for_one_view(view: str) -> None:
    algorithm = quintuplet(shapes(views=(view,)), views=view)
    assert algorithm.needs() == {view, "macro"}
    stage, update = updates(algorithm)[-1]
    loss, logs = loss_of(
        algorithm, doubles(algorithm), batch_of(algorithm, stage, update, training()), "joint"
    )
    assert loss.isfinite()
    assert "contrast" not in logs


def test_one_class_leaves_cross_entropy_alone() -> None:
    algorithm = quintuplet(**NO_MACRO)
    stage, update = updates(algorithm)[-1]
    known = Training(labels([1, 1, 1, 1]), None)
    loss, logs = loss_of(algorithm, doubles(algorithm), batch_of(algorithm, stage, update, known), "joint")
    assert logs["quintuplet"].item() == 0
    assert logs["contrast"].item() == 0
    assert logs["masked_micro"].item() == 1
    assert torch.equal(loss, logs["classification"])


def test_the_joint_loss_is_the_weighted_sum_of_its_terms() -> None:
    algorithm = quintuplet(quintuplet={"weight": 0.7}, contrast={"weight": 0.3})
    stage, update = updates(algorithm)[-1]
    loss, logs = loss_of(
        algorithm, doubles(algorithm), batch_of(algorithm, stage, update, training()), "joint"
    )
    expected = logs["classification"] + 0.7 * logs["quintuplet"] + 0.3 * logs["contrast"]
    assert torch.allclose(loss, expected)
    assert 0 <= logs["masked_macro"].item() <= 1


def test_the_ramp_raises_the_metric_losses_linearly() -> None:
    algorithm = quintuplet(train={"steps": 10, "ramp": 0.5}, augmentation={"flip": False, "shift": 0.0})
    stage, update = updates(algorithm)[-1]
    batch, parameters = batch_of(algorithm, stage, update, training()), doubles(algorithm)
    for step, share in ((0, 0.2), (2, 0.6), (4, 1.0), (9, 1.0)):
        loss, logs = loss_of(algorithm, parameters, batch, "joint", step)
        metric = 0.5 * logs["quintuplet"] + 0.2 * logs["contrast"]
        assert torch.allclose(loss, logs["classification"] + share * metric)


def test_a_clip_and_its_mirror_image_have_the_same_logits_and_mirrored_maps() -> None:
    algorithm = quintuplet()
    stage, update = updates(algorithm)[-1]
    batch = batch_of(algorithm, stage, update, training())
    mirrored = {name: value.flip(-1) for name, value in batch.items() if name in ("micro.rgb", "micro.flow")}
    mirrored["micro.flow"] = mirrored["micro.flow"] * torch.tensor([-1.0, 1.0, 1.0])[:, None, None, None]
    parameters = doubles(algorithm)
    logits, maps = algorithm.predict(parameters, {}, batch)
    other_logits, other_maps = algorithm.predict(parameters, {}, mirrored)
    assert torch.allclose(logits, other_logits, atol=1e-12)
    assert torch.allclose(maps, other_maps.flip(-1), atol=1e-12)
    single = quintuplet(predict_mirrored=False)
    assert not torch.allclose(single.predict(parameters, {}, batch)[0], logits)


def test_needs_are_what_the_settings_read() -> None:
    assert quintuplet().needs() == {"rgb", "flow", "macro"}
    assert quintuplet(views="flow", **NO_MACRO).needs() == {"flow"}
    assert quintuplet(mask={"enabled": False}, quintuplet={"weight": 0.0}).needs() == {"rgb", "flow"}
    assert "macro" in quintuplet(quintuplet={"macro": False}).needs()
    assert "macro" in quintuplet(mask={"macro": False}).needs()


def test_stages_follow_the_settings() -> None:
    usual = quintuplet().stages()
    assert [(stage.name, [u.loss for u in stage.updates]) for stage in usual] == [
        ("mask", ["mask"]),
        ("joint", ["joint"]),
    ]
    assert [u.loss for u in quintuplet(mask={"finetune": True}).stages()[1].updates] == ["mask", "joint"]
    assert [stage.name for stage in quintuplet(mask={"enabled": False}).stages()] == ["joint"]
    optimiser = (
        quintuplet(train={"optimiser": "sgd", "lr": 0.3, "clip_norm": 2.0}).stages()[1].updates[0].optimiser
    )
    assert (optimiser.name, optimiser.lr, optimiser.clip_norm) == ("sgd", 0.3, 2.0)


def test_initial_parameters_are_a_function_of_the_key() -> None:
    algorithm = quintuplet()
    first, again, other = algorithm.init(1)[0], algorithm.init(1)[0], algorithm.init(2)[0]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])
    assert {name.partition(".")[0] for name in first} == {"recogniser", "classifier", "mnet", "mnet_heads"}


def test_pretraining_is_off_by_default_and_otherwise_a_shared_stage_before_all_others() -> None:
    assert [stage.shared for stage in quintuplet().stages()] == [None, None]
    on = quintuplet(pretrain={"steps": 7, "lr": 0.02, "batch": 5}, **NO_MACRO)
    first, *own = on.stages()
    assert (first.name, first.steps, [stage.name for stage in own]) == ("pretrain", 7, ["mask", "joint"])
    assert first.updates[0].optimiser.lr == 0.02
    assert on.needs() == {"rgb", "flow", "macro"}
    plan = on.plan(first, first.updates[0], training(micro=[]), np.random.default_rng(0))
    assert {name: array.shape for name, array in plan.items()} == {"macro": (7, 5)}
    off = quintuplet(pretrain={"steps": 7}, mask={"enabled": False}, quintuplet={"macro": False})
    assert [stage.name for stage in off.stages()] == ["joint"]
    assert "macro" not in off.needs()


def test_only_what_macro_clips_can_teach_is_pretrained() -> None:
    on = quintuplet(pretrain={"steps": 7})
    parameters, _ = on.init(1)
    prefixes = tuple(f"{prefix}." for prefix in on.stages()[0].updates[0].group)
    trained = {name for name in parameters if name.startswith(prefixes)}
    assert {name.partition(".")[0] for name in trained} == {"mnet", "mnet_heads"}
    assert {name for name in parameters if name.startswith("mnet")} - trained == {
        "mnet_heads.micro.weight",
        "mnet_heads.micro.bias",
    }


def test_pretraining_without_macro_clips_is_refused_with_the_setting_that_turns_it_off() -> None:
    with pytest.raises(
        ConfigError, match=r"pretrain.steps need macro clips\n(.*\n)*.*algorithm.pretrain.steps=0"
    ):
        quintuplet(shapes(macro_emotions=()), pretrain={"steps": 7}, **NO_MACRO)


def test_all_broken_rules_are_reported_together() -> None:
    with pytest.raises(Several, match="every view in use must be on disk") as caught:
        Quintuplet(
            Settings(hard_types=dataclasses.replace(Settings().hard_types, table={"joyful": ("disgust",)})),
            shapes(views=("flow",), macro_emotions=()),
        )
    text = str(caught.value)
    assert len(caught.value.errors) == 3
    assert "algorithm.quintuplet.macro=false algorithm.mask.macro=false" in text
    assert "joyful" in text
    with pytest.raises(ConfigError, match="need macro clips"):
        quintuplet(shapes(macro_emotions=()))


def test_without_macro_terms_no_macro_database_is_needed() -> None:
    algorithm = quintuplet(shapes(macro_emotions=()), **NO_MACRO)
    for stage, update in updates(algorithm):
        batch = batch_of(algorithm, stage, update, training(macro=False))
        assert not any(name.startswith("macro") for name in batch)
        assert loss_of(algorithm, doubles(algorithm), batch, update.loss)[0].isfinite()

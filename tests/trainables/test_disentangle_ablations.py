"""Each ablation of `disentangle` takes away what its name says, and leaves the rest."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.trainables.clips import batch_of, disentangle, doubles, loss_of, training, updates
from trainables.disentangle import Disentangle

ALL = ["− IDNet/MINE", "− diverse attention", "− divergence loss", "− global attention", "− staging"]


def nested(change: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Dotted settings of two levels as nested ones."""
    found: dict[str, dict[str, Any]] = {}
    for path, value in change.items():
        group, key = path.split(".")
        found.setdefault(group, {})[key] = value
    return found


def changes(**settings: Any) -> dict[str, dict[str, Any]]:
    return {
        name: dict(change) for name, change in Disentangle.ablations(disentangle(**settings).settings).items()
    }


def without(name: str) -> Disentangle:
    """The usual small configuration without one part."""
    return disentangle(**nested(changes()[name]))


def told(algorithm: Disentangle) -> list[Any]:
    """Stages, steps and updates."""
    return [(stage.name, stage.steps, stage.updates) for stage in algorithm.stages()]


def same_start(algorithm: Disentangle, gone: str = " ") -> bool:
    """Whether all parameters start as usual but for those whose name begins with `gone`, which are not there."""
    usual, own = doubles(disentangle()), doubles(algorithm)
    kept = {name for name in usual if not name.startswith(gone)}
    return set(own) == kept and all(torch.equal(own[name], usual[name]) for name in kept)


def test_every_part_of_the_defaults_can_be_taken_away() -> None:
    assert list(changes()) == ALL
    assert all(changes().values())


def test_without_idnet_menet_and_its_stages_are_left_as_they_are() -> None:
    ablated, usual = without("− IDNet/MINE"), disentangle()
    kept = [update for _, update in updates(ablated)]
    assert kept == [update for _, update in updates(usual) if update.group == ("menet", "classifier")]
    assert [stage.steps for stage in ablated.stages()] == [usual.stages()[1].steps, usual.stages()[3].steps]
    own = doubles(ablated)
    assert {name.partition(".")[0] for name in own} == {"menet", "classifier"}
    assert all(torch.equal(value, doubles(usual)[name]) for name, value in own.items())
    batch = batch_of(ablated, *updates(ablated)[-1], training())
    loss, logs = loss_of(ablated, own, batch, "separate")
    emotion, _ = loss_of(usual, doubles(usual), batch, "emotion")
    assert torch.equal(loss, emotion)
    assert set(logs) == {"classification", "accuracy", "overlap"}


def test_without_diverse_attention_one_head_is_left() -> None:
    ablated = without("− diverse attention")
    assert told(ablated) == told(disentangle())
    batch = batch_of(ablated, *updates(ablated)[-1], training())
    _, maps = ablated._model.motion(doubles(ablated), ablated._model.load(batch))
    assert maps.shape[1] == 1
    usual, own = doubles(disentangle()), doubles(ablated)
    changed = {name for name in usual if usual[name].shape != own[name].shape}
    assert changed == {name for name in usual if name.startswith("menet.attend.")} | {"menet.project.weight"}


def test_without_the_divergence_loss_only_its_term_is_gone() -> None:
    ablated, usual = without("− divergence loss"), disentangle()
    assert told(ablated) == told(usual)
    assert same_start(ablated)
    for stage, update in updates(usual):
        batch = batch_of(usual, stage, update, training())
        (own, _), (loss, logs) = (
            loss_of(each, doubles(usual), batch, update.loss) for each in (ablated, usual)
        )
        term = 0.3 * logs["overlap"] if update.group == ("menet", "classifier") else 0
        assert torch.allclose(own, loss - term)


def test_without_global_attention_only_its_layers_are_gone() -> None:
    ablated = without("− global attention")
    assert told(ablated) == told(disentangle())
    assert same_start(ablated, gone="idnet.attend.")


def test_without_staging_all_losses_take_turns_for_as_many_steps_of_menet() -> None:
    ablated, usual = without("− staging"), disentangle()
    assert same_start(ablated)
    ((_, steps, taken),) = told(ablated)
    assert steps == usual.stages()[1].steps + usual.stages()[3].steps
    assert [update.loss for update in taken] == ["identity", "critic", "separate"]
    assert set(taken) == {update for stage in usual.stages() for update in stage.updates} - {
        usual.stages()[1].updates[0],
        usual.stages()[2].updates[0],
    }


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        ({"identity": {"enabled": False}}, {"− IDNet/MINE", "− global attention"}),
        ({"information": {"weight": 0.0}}, {"− IDNet/MINE", "− global attention"}),
        ({"attention": {"heads": 1}}, {"− diverse attention", "− divergence loss"}),
    ],
)
def test_a_part_that_does_nothing_has_nothing_to_change(settings: dict[str, Any], off: set[str]) -> None:
    assert {name for name, change in changes(**settings).items() if not change} == off


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"divergence": {"weight": 0.0}}, "− divergence loss"),
        ({"identity": {"global_attention": False}}, "− global attention"),
        ({"train": {"staged": False}}, "− staging"),
    ],
)
def test_a_part_that_is_off_is_set_to_what_it_is_already(settings: dict[str, Any], name: str) -> None:
    assert nested(changes(**settings)[name]) == settings

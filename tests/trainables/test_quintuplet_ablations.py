"""Each ablation of `quintuplet` takes away what its name says, and leaves the rest."""

from __future__ import annotations

from typing import Any

import pytest

from mersearch.algorithm import settings_from
from mersearch.training import train_chunk
from tests.every import DEVICE_DATA, FOLDS, LIFELIKE, QUINTUPLET
from trainables.quintuplet import Quintuplet

ALL = ["− MNet", "− quintuplet", "− macro members", "− contrastive", "− RGB view", "− flow view"]
MASK_LOGS = {"joint.joint.mask_mean", "inspect.mask_coverage"}
TWO_VIEWS = {"joint.joint.contrast", "inspect.view_agreement"}


def changed(**settings: Any) -> dict[str, dict[str, Any]]:
    """The ablations of the small configuration with some settings changed."""
    return {name: dict(change) for name, change in Quintuplet.ablations(made(settings)).items()}


def made(settings: dict[str, Any]) -> Any:
    values: dict[str, Any] = {key: dict(group) for key, group in QUINTUPLET.items()}
    for path, value in settings.items():
        *groups, key = path.split("__")
        node = values
        for group in groups:
            node = node.setdefault(group, {})
        node[key] = value
    return settings_from(Quintuplet.Settings, values)


def build(change: dict[str, Any]) -> Quintuplet:
    settings = {path.replace(".", "__"): value for path, value in change.items()}
    return Quintuplet(made(settings), LIFELIKE.shapes)


def logged(name: str) -> set[str]:
    """What a fold logs without a part."""
    return set(train_chunk(build(changed()[name]), DEVICE_DATA, FOLDS[:1], seed=0)[0].diagnostics)


@pytest.fixture(scope="module")
def whole() -> set[str]:
    return set(train_chunk(build({}), DEVICE_DATA, FOLDS[:1], seed=0)[0].diagnostics)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("− MNet", lambda key: key.startswith("mask.") or key in MASK_LOGS),
        ("− quintuplet", lambda key: key.startswith(("joint.joint.quintuplet", "joint.joint.masked"))),
        ("− macro members", lambda key: key == "joint.joint.masked_macro"),
        ("− contrastive", lambda key: key == "joint.joint.contrast"),
        ("− RGB view", lambda key: key in TWO_VIEWS),
        ("− flow view", lambda key: key in TWO_VIEWS),
    ],
)
def test_a_part_is_gone_and_nothing_else(name: str, gone: Any, whole: set[str]) -> None:
    assert any(map(gone, whole))
    assert logged(name) == {key for key in whole if not gone(key)}


def test_every_part_of_the_defaults_can_be_taken_away() -> None:
    assert list(changed()) == ALL
    assert all(changed().values())


def test_pretraining_is_a_part_where_it_is_on() -> None:
    on = changed(pretrain__steps=4)
    assert [name for name in on if name not in ALL] == ["− pretraining"]
    assert on["− pretraining"] == {"pretrain.steps": 0}


def test_a_view_that_is_taken_away_is_not_needed() -> None:
    assert build(changed()["− RGB view"]).needs() == {"flow", "macro"}
    assert build(changed()["− flow view"]).needs() == {"rgb", "macro"}


def test_mnet_keeps_its_macro_clips_without_macro_members() -> None:
    assert build(changed()["− macro members"]).needs() == {"rgb", "flow", "macro"}


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        ({"mask__floor": 1.0}, "− MNet"),
        ({"quintuplet__weight": 0.0}, "− macro members"),
        ({"quintuplet__alpha": 0.0}, "− macro members"),
        ({"views": "flow"}, "− contrastive"),
        ({"views": "rgb"}, "− contrastive"),
    ],
)
def test_a_part_that_does_nothing_has_nothing_to_change(settings: dict[str, Any], off: str) -> None:
    assert changed(**settings)[off] == {}


@pytest.mark.parametrize(("views", "left"), [("flow", "− RGB view"), ("rgb", "− flow view")])
def test_the_only_view_is_not_taken_away(views: str, left: str) -> None:
    assert [name for name in changed(views=views) if name.endswith("view")] == [left]
    assert changed(views=views)[left] == {"views": views}, "it is off already"

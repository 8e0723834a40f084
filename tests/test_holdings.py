"""A configuration does without what the data lack, unless the user asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mersearch.config import Config, compose
from mersearch.data.readers import read_micro
from mersearch.data.synthetic import synthesize_manifest
from mersearch.data.synthetic.manifest import Maps
from mersearch.errors import ConfigError, Several
from mersearch.holdings import Holdings, fitted
from mersearch.opening import open_run
from mersearch.placing import Place
from mersearch.planning import dry_run
from mersearch.preparation import Material

BARE = Holdings(("flow",), macro=False)
FULL = Holdings(("rgb", "flow"), macro=True)
OFF = {"views": "flow", "quintuplet.macro": False, "mask.macro": False}


def quiet(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def setting(config: Config, path: str) -> Any:
    node: Any = config.algorithm.settings
    for key in path.split("."):
        node = node[key]
    return node


def bare(*overrides: str) -> Config:
    return compose("quintuplet_sdu", ["data.root=here", "macro=none", *overrides])


def test_what_the_data_lack_is_switched_off_and_no_longer_searched() -> None:
    before = bare()
    found = fitted(before, BARE)
    assert {path: setting(found.config, path) for path in OFF} == OFF
    gone = set(before.space.paths) - set(found.config.space.paths)
    assert {"algorithm.views", "algorithm.quintuplet.macro"} <= gone
    assert {"algorithm.fusion.prior", "algorithm.contrast.temperature", "algorithm.quintuplet.alpha"} <= gone
    assert found.remark == (
        "The data hold no frames and no macro clips, so this is off: RGB view and contrast of the views "
        "(views=flow); macro members of the quintuplets (quintuplet.macro=false); macro clips of MNet "
        "(mask.macro=false)."
    )
    assert found.config.fixed == before.fixed


def test_a_pretraining_gives_way_where_it_is_searched_with_none_among_the_choices(tmp_path: Path) -> None:
    steps = {"choices": [0, 50], "why": "With it and without."}
    values = {
        "defaults": ["quintuplet_sdu", "_self_"],
        "space": {"algorithm": {"pretrain": {"steps": steps}}},
    }
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(values))
    found = fitted(compose(tmp_path / "space.yaml", ["data.root=here", "macro=none"]), BARE)
    assert setting(found.config, "pretrain.steps") == 0
    assert "algorithm.pretrain.steps" not in found.config.space.paths
    assert "pretraining of MNet (pretrain.steps=0)" in found.remark


def test_fitting_is_the_same_as_giving_these_settings() -> None:
    by_hand = bare(*(f"algorithm.{path}={str(value).lower()}" for path, value in OFF.items()))
    found = fitted(bare(), BARE).config
    assert (found.space, found.algorithm) == (by_hand.space, by_hand.algorithm)


@pytest.mark.parametrize("space", ["quintuplet", "disentangle"])
def test_nothing_changes_where_nothing_lacks(space: str) -> None:
    config = compose(space)
    assert fitted(config, FULL) == fitted(fitted(config, FULL).config, FULL)
    assert (fitted(config, FULL).config, fitted(config, FULL).remarks) == (config, ())


def test_fitting_twice_changes_nothing_more() -> None:
    once = fitted(bare(), BARE).config
    assert (fitted(once, BARE).config, fitted(once, BARE).remark) == (once, "")


def test_a_setting_that_is_given_stays_as_it_is(tmp_path: Path) -> None:
    assert setting(fitted(bare("algorithm.views=both"), BARE).config, "views") == "both"
    values = {
        "defaults": ["quintuplet_sdu", "_self_"],
        "algorithm": {"mask": {"macro": True}},
        "data": {"root": "here"},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    found = fitted(compose(tmp_path / "mine.yaml", ["macro=none"]), BARE).config
    assert setting(found, "mask.macro")
    assert not setting(found, "quintuplet.macro")
    point = bare("search.points=[{algorithm.views: both}]")
    assert "algorithm.views" in fitted(point, BARE).config.space.paths


def test_a_search_among_other_options_stays_as_it_is() -> None:
    config = bare("space.algorithm.views.choices=[rgb,both]")
    assert "algorithm.views" in fitted(config, BARE).config.space.paths


def test_disentangle_shows_idnet_the_flow_where_there_are_no_frames() -> None:
    config = compose("disentangle_sdu", ["data.root=here"])
    found = fitted(config, BARE)
    assert setting(found.config, "identity.view") == "flow"
    assert found.remark.startswith("The data hold no frames, so this is off: onset frame of IDNet")
    assert found.config.space == config.space


@pytest.mark.parametrize(
    ("maps", "side", "views", "frames", "size"),
    [
        (1, 28, ("flow",), 1, 28),
        (4, 28, ("flow",), 5, 28),
        (40, 112, ("flow",), 16, 56),
        (1, 28, ("rgb", "flow"), 1, 56),
        (1, 4, ("flow",), 1, 8),
    ],
)
def test_frames_and_size_are_no_more_than_the_maps_have(
    maps: int, side: int, views: Any, frames: int, size: int
) -> None:
    found = fitted(bare(), Holdings(views, macro=False, maps=maps, side=side))
    assert (found.config.preprocess.frames, found.config.preprocess.size) == (frames, size)
    assert (f"preprocess.frames={frames}" in found.remark) == (frames < 16)
    assert (f"preprocess.size={size}" in found.remark) == (size < 56)


def test_the_fewer_maps_of_micro_and_macro_clips_count(tmp_path: Path) -> None:
    micro, macro = (
        read_micro(
            "manifest",
            synthesize_manifest(tmp_path / str(k), subjects=2, clips=4, maps=Maps(k, 8)),
            "derived",
        )
        for k in (3, 2)
    )
    assert Holdings.of(Material(micro, macro)) == Holdings(("flow",), macro=True, maps=2, side=8)
    assert Holdings.of(Material(micro, None)) == Holdings(("flow",), macro=False, maps=3, side=8)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize_manifest(tmp_path_factory.mktemp("holdings") / "flow", subjects=3, clips=9)


def on_disk(manifest: Path, folder: Path, *overrides: str, space: str = "quintuplet_sdu") -> Config:
    places = [f"data.root={manifest}", f"run.root={folder}", "macro=none", "trial.gpus=0"]
    return compose(space, [*places, *overrides])


def test_a_run_stores_what_it_went_without_and_goes_on_with_the_same_command(
    manifest: Path, tmp_path: Path
) -> None:
    config = on_disk(manifest, tmp_path)
    first = open_run(config, quiet)
    assert first.new
    assert "so this is off" in first.remarks[0]
    assert (first.run.config["algorithm"]["views"], first.run.config["preprocess"]["frames"]) == ("flow", 1)
    again = open_run(config, quiet)
    assert not again.new
    assert again.config == first.config
    assert again.study.config.algorithm == first.study.config.algorithm


def test_the_plan_says_what_is_off(manifest: Path, tmp_path: Path) -> None:
    config = on_disk(
        manifest, tmp_path, "algorithm.train.steps=1", "algorithm.attention.heads=2", "algorithm.mask.steps=1"
    )
    mode = {"threads": 1, "device": "cpu", "backend": "loop", "chunk": 1, "precision": "float32"}
    text = " ".join(" ".join(dry_run(config, Place(1, str(mode["device"])), quiet)).split())
    assert "absent The data hold no frames and no macro clips, so this is off: RGB view" in text
    assert "preprocess.frames=1, preprocess.size=28" in text


@pytest.mark.parametrize(
    ("space", "override", "rule"),
    [
        ("quintuplet_sdu", "algorithm.views=both", "views=both, on disk: flow"),
        ("quintuplet_sdu", "algorithm.views=rgb", "views=rgb, on disk: flow"),
        ("quintuplet_sdu", "algorithm.mask.macro=true", "need macro clips"),
        ("disentangle_sdu", "algorithm.identity.view=rgb", "identity.view=rgb, on disk: flow"),
    ],
)
def test_an_absent_view_that_is_asked_for_is_an_error_before_anything_starts(
    space: str, override: str, rule: str, manifest: Path, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, Several), match=rule):
        open_run(on_disk(manifest, tmp_path, override, space=space), quiet)
    assert not list(tmp_path.iterdir())

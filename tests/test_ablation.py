"""A configuration and the parts that its algorithm takes away, as one run of given points."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from mersearch.ablation import FULL, ablation, announcement, require_free
from mersearch.algorithm import Shapes
from mersearch.config import Ablation, Config, compose
from mersearch.config.load import read_back
from mersearch.data.action_units import ACTION_UNITS
from mersearch.errors import ConfigError
from mersearch.material import require_material
from tests.config import example
from tests.config.files import HEAD


class Parts(example.Example):
    """Says what `FOUND` holds."""

    FOUND: ClassVar[Any] = {}

    @staticmethod
    def ablations(settings: example.Settings) -> Any:
        return Parts.FOUND if Parts.FOUND else {"− margin": {"loss.margin": settings.loss.margin / 2}}


@pytest.fixture
def config(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(HEAD.replace("tests.config.example:Example", f"{__name__}:Parts"))
    return compose("mine.yaml")


def named(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    monkeypatch.setattr(Parts, "FOUND", found)


def test_the_full_configuration_is_trial_0_and_every_ablation_one_more(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: Mapping[str, Mapping[str, Any]] = {
        "− loss": {"loss.weight": 0},
        "− steps and kind": {"steps": 10, "kind": "b"},
        "− limit": {"limit": None},
        "− nothing": {},
    }
    named(monkeypatch, found)
    run = ablation(config, exported="demo, trial 3")
    assert run.search.points == (
        {},
        {"algorithm.loss.weight": 0.0},
        {"algorithm.steps": 10, "algorithm.kind": "b"},
    )
    assert run.ablation == Ablation(
        (FULL, "− loss", "− steps and kind"), ("− limit", "− nothing"), "demo, trial 3"
    )
    assert (run.search.trials, run.search.scheduler, run.run.name) == (3, "none", "mine-ablation")
    assert ablation(config, name="other").run.name == "other"
    same = dataclasses.replace(run, search=config.search, run=config.run, ablation=None)
    assert same == config, "nothing else changes"
    assert read_back(run.to_dict()) == run


def test_settings_tell_what_is_taken_away(config: Config) -> None:
    assert ablation(config).search.points[1] == {"algorithm.loss.margin": 0.25}


def test_two_ablations_of_one_effect_are_trained_once(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, {"− a": {"steps": 10}, "− b": {"kind": "b"}, "− c": {"steps": 10}})
    run = ablation(config)
    assert run.ablation is not None
    assert run.ablation.variants == (FULL, "− a = − c", "− b")
    assert len(run.search.points) == 3


def test_an_ablation_that_also_sets_what_is_set_already_has_the_effect_of_the_one_that_does_not(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = config.algorithm.settings["kind"]
    named(
        monkeypatch, {"− a": {"steps": 10}, "− b": {"steps": 10, "kind": present}, "− c": {"kind": present}}
    )
    run = ablation(config)
    assert run.ablation == Ablation((FULL, "− a = − b"), ("− c",), "")
    assert run.search.points == ({}, {"algorithm.steps": 10})


def test_a_configuration_with_every_part_off_is_refused(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, {"− limit": {"limit": None}})
    with pytest.raises(ConfigError, match="takes away a part that is on") as caught:
        ablation(config)
    assert "− limit off already" in caught.value.received


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"− a": {"stesp": 3}}, r"algorithm\.stesp is no setting"),
        (
            {"− a": {"steps": "few"}},
            r"^ablations of .*:Parts: search\.points\.1\.algorithm\.steps must be a whole",
        ),
        ({"− a": {"kind": "b", "steps": 3}}, r"search\.points\.1 cannot be used: kind b takes at least 10"),
        ({"− a": {"widths": [3]}}, r"search\.points\.1\.algorithm\.widths may be a number"),
        ({"− a": 3}, "must map a name to settings and values"),
        ([3], "must map a name to settings and values"),
    ],
)
def test_broken_ablations_are_told_before_anything_runs(
    config: Config, monkeypatch: pytest.MonkeyPatch, found: Any, message: str
) -> None:
    named(monkeypatch, found)
    with pytest.raises(ConfigError, match=message):
        ablation(config)


def test_an_algorithm_without_ablations_says_how_to_give_it_some(config: Config) -> None:
    name = "tests.config.example:Example"
    other = dataclasses.replace(config, algorithm=dataclasses.replace(config.algorithm, name=name))
    with pytest.raises(ConfigError, match="names no ablations") as caught:
        ablation(other)
    assert "static method ablations(settings)" in caught.value.fix


def test_what_an_ablation_decides_cannot_be_overridden() -> None:
    assert require_free(["run.name=x", "+algorithm.steps=3"]) == {"run.name", "algorithm.steps"}
    with pytest.raises(ConfigError, match="every variant on all folds") as caught:
        require_free(["search.trials=3", "run.name=x", "search.scheduler=asha"])
    assert caught.value.received == "search.trials=3, search.scheduler=asha"


def test_the_trials_are_announced_in_80_columns() -> None:
    names = tuple(f"− the part number {number}" for number in range(9))
    lines = announcement(Ablation((FULL, *names), ("− gone",)))
    assert max(map(len, lines)) <= 80
    assert "9 − the part number 8; off already: − gone." in " ".join(" ".join(lines).split())
    assert announcement(None) == []


def test_every_point_must_find_its_clips_before_anything_runs() -> None:
    quiet = ("macro=none", "algorithm.quintuplet.macro=false", "algorithm.mask.macro=false")
    shapes = Shapes(2, 16, ("rgb", "flow"), ("disgust", "surprise"), (), ACTION_UNITS, 3)
    config = compose("quintuplet", quiet)
    require_material(config, shapes, macro=False)
    points = ({"algorithm.views": "flow"}, {"algorithm.mask.macro": True})
    config = dataclasses.replace(config, search=dataclasses.replace(config.search, points=points))
    with pytest.raises(ConfigError, match="need macro clips"):
        require_material(config, shapes, macro=False)

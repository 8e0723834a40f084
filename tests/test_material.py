"""What a search space may ask of the data: every offending choice is told at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from mersearch.algorithm import Shapes
from mersearch.config import Config, compose
from mersearch.data.action_units import ACTION_UNITS
from mersearch.errors import ConfigError, MersearchError, Several
from mersearch.material import require_material
from mersearch.space import Space

EMOTIONS = ("happiness", "disgust", "surprise")
WITHOUT = Shapes(2, 16, ("rgb", "flow"), EMOTIONS, (), ACTION_UNITS, 3)
NO_CLIPS = "quintuplet.macro and mask.macro need macro clips"


def space(folder: Path, base: dict[str, Any], **searched: Any) -> Config:
    """Without macro clips; searches `part__name` (or `name`): choices, or these and a condition."""
    nested: dict[str, Any] = {}
    for path, value in searched.items():
        part, _, name = path.partition("__")
        choices, when = value if isinstance(value, tuple) else (value, {})
        condition = {"when": when} if when else {}
        place = nested.setdefault(part, {}) if name else nested
        place[name or part] = {"choices": choices, "why": "It is looked at.", **condition}
    values = {
        "defaults": [{"data": "casme2"}, {"macro": "none"}, {"algorithm": "quintuplet"}, "_self_"],
        "data": {"root": "somewhere"},
        "algorithm": base,
        "space": {"algorithm": nested},
    }
    (folder / "space.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return compose(folder / "space.yaml")


def told(config: Config, shapes: Shapes = WITHOUT) -> list[str]:
    """The problems of a space, without their fixes."""
    try:
        require_material(config, shapes, macro=False)
    except Several as several:
        errors: tuple[MersearchError, ...] = several.errors
    except ConfigError as error:
        errors = (error,)
    else:
        return []
    assert all(error.fix for error in errors)
    return [f"{error.rule}: {error.received}" for error in errors]


OFF = {"mask": {"macro": False}, "quintuplet": {"macro": False}}


def test_a_pretraining_needs_clips_with_one_of_its_choices(tmp_path: Path) -> None:
    config = space(tmp_path, OFF, pretrain__steps=[0, 20])
    (line,) = told(config)
    assert line.startswith("quintuplet.macro, mask.macro and pretrain.steps need macro clips")
    assert "algorithm.pretrain.steps=20 of the search" in line


def test_what_a_shared_stage_forgets_to_name_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    config = replace(space(tmp_path, OFF, mask__width=[4, 6]), space=Space())
    settings = {"steps": 3, "macro": True}
    algorithm = replace(config.algorithm, name="tests.pretrained:Hidden", settings=settings)
    broken = replace(config, algorithm=algorithm)
    shapes = replace(WITHOUT, macro_emotions=EMOTIONS)
    assert told(broken, shapes)[0].startswith("a shared stage names every setting that it depends on")


def test_every_choice_that_needs_absent_clips_is_named_at_once(tmp_path: Path) -> None:
    config = space(
        tmp_path, OFF, quintuplet__macro=[True, False], mask__macro=[False, True], mask__width=[4, 6]
    )
    assert told(config) == [
        f"{NO_CLIPS}: no macro database, for algorithm.mask.macro=true; algorithm.quintuplet.macro=true "
        "of the search"
    ]


def test_a_choice_that_the_configuration_has_too_is_to_blame_where_another_one_would_do(
    tmp_path: Path,
) -> None:
    config = space(tmp_path, {"mask": {"macro": False}}, quintuplet__macro=[True, False])
    assert told(config) == [
        f"{NO_CLIPS}: no macro database, for algorithm.quintuplet.macro=true of the search"
    ]


def test_where_no_choice_helps_the_configuration_itself_is_to_blame(tmp_path: Path) -> None:
    assert told(space(tmp_path, {}, mask__width=[4, 6])) == [f"{NO_CLIPS}: no macro database"]


def test_two_choices_that_need_absent_clips_only_together_are_named_together(tmp_path: Path) -> None:
    base = {"mask": {"macro": False, "enabled": False}, "quintuplet": {"macro": False}}
    config = space(tmp_path, base, mask__enabled=[False, True], mask__macro=[False, True])
    assert told(config) == [
        f"{NO_CLIPS}: no macro database, for algorithm.mask.enabled=true with algorithm.mask.macro=true "
        "of the search"
    ]


def test_choices_that_no_trial_can_have_together_are_not_asked_for(tmp_path: Path) -> None:
    base = {"mask": {"macro": False, "enabled": False}, "quintuplet": {"macro": False}}
    never = ([False, True], {"algorithm.mask.enabled": False})
    assert told(space(tmp_path, base, mask__enabled=[False, True], mask__macro=never)) == []


def test_different_problems_are_told_beside_each_other(tmp_path: Path) -> None:
    base = OFF | {"views": "flow"}
    config = space(tmp_path, base, quintuplet__macro=[True, False], views=["flow", "both"])
    assert sorted(told(config, replace(WITHOUT, views=("flow",)))) == [
        "every view in use must be on disk: views=both, on disk: flow, "
        "for algorithm.views='both' of the search",
        f"{NO_CLIPS}: no macro database, for algorithm.quintuplet.macro=true of the search",
    ]


def test_points_are_looked_at_too(tmp_path: Path) -> None:
    config = space(tmp_path, OFF, mask__width=[4, 6])
    points = ({"algorithm.mask.width": 6}, {"algorithm.quintuplet.macro": True})
    given = replace(config, search=replace(config.search, points=points))
    assert told(given) == [f"{NO_CLIPS}: no macro database, for search.points.1 of the search"]


def test_the_shipped_space_can_use_its_own_data() -> None:
    require_material(compose("quintuplet"), replace(WITHOUT, macro_emotions=EMOTIONS), macro=True)

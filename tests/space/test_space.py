from __future__ import annotations

import itertools
from typing import Any

import pytest

from mersearch.errors import ConfigError, Several
from mersearch.space import Choice, Float, Int, Space, is_active

NESTED: dict[str, Any] = {
    "algorithm": {
        "margin": {"low": 0.1, "high": 1.0, "when": {"algorithm.loss.macro": True}, "why": "A margin."},
        "loss": {
            "weight": {"low": 0.1, "high": 10, "log": True, "why": "A weight."},
            "macro": {"choices": [True, False], "when": {"algorithm.loss.kind": ["b", "c"]}},
            "kind": {"choices": ["a", "b", "c"]},
        },
        "steps": {"low": 10, "high": 100, "step": 10},
    }
}


def test_bounds_decide_the_kind_and_defaults_are_filled_in() -> None:
    parameters = {d.path: d for d in Space.from_mapping(NESTED).parameters}
    assert parameters["algorithm.loss.weight"] == Float(
        "algorithm.loss.weight", 0.1, 10.0, log=True, why="A weight."
    )
    assert parameters["algorithm.steps"] == Int("algorithm.steps", 10, 100, step=10)
    assert parameters["algorithm.loss.kind"] == Choice("algorithm.loss.kind", ("a", "b", "c"))
    assert parameters["algorithm.margin"].when == {"algorithm.loss.macro": (True,)}


def test_every_parameter_comes_after_those_it_depends_on() -> None:
    seen: set[str] = set()
    for dimension in Space.from_mapping(NESTED).parameters:
        assert seen.issuperset(dimension.when)
        seen.add(dimension.path)
    assert len(seen) == 5


def test_a_parameter_is_active_only_if_its_whole_chain_of_conditions_holds() -> None:
    space = Space.from_mapping(NESTED)
    for kind, macro in itertools.product(("a", "b", "c"), (True, False)):
        values: dict[str, Any] = {
            "algorithm.loss.kind": kind,
            **({} if kind == "a" else {"algorithm.loss.macro": macro}),
        }
        active = {dimension.path for dimension in space.active(values)}
        assert ("algorithm.loss.macro" in active) == (kind != "a")
        assert ("algorithm.margin" in active) == (kind != "a" and macro)


def test_a_condition_tells_true_from_one() -> None:
    dimension = Float("algorithm.x", 0, 1, when={"algorithm.y": (True,)})
    assert is_active(dimension, {"algorithm.y": True})
    assert not is_active(dimension, {"algorithm.y": 1})


def test_mapping_and_back_is_the_same_space() -> None:
    space = Space.from_mapping(NESTED)
    assert Space.from_mapping(space.to_mapping()) == space


def test_the_order_of_the_parameters_does_not_depend_on_the_order_in_which_they_are_written() -> None:
    def backwards(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        return {key: backwards(value) for key, value in reversed(node.items())}

    space = Space.from_mapping(NESTED)
    assert Space.from_mapping(backwards(NESTED)) == space
    assert space.paths == (
        "algorithm.loss.kind",
        "algorithm.loss.weight",
        "algorithm.steps",
        "algorithm.loss.macro",
        "algorithm.margin",
    )


POINT: dict[str, Any] = {"algorithm.loss.weight": 1.0, "algorithm.loss.kind": "a", "algorithm.steps": 20}


def test_a_point_of_the_space_is_valid() -> None:
    space = Space.from_mapping(NESTED)
    space.validate(POINT)
    space.validate(
        {**POINT, "algorithm.loss.kind": "b", "algorithm.loss.macro": True, "algorithm.margin": 0.1}
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm.loss.weight": 11.0}, r"algorithm\.loss\.weight must be a number from 0\.1 to 10"),
        ({"algorithm.loss.weight": True}, r"algorithm\.loss\.weight must be a number"),
        ({"algorithm.steps": 25}, r"algorithm\.steps must be a whole number from 10 to 100 in steps of 10"),
        ({"algorithm.steps": 20.0}, r"algorithm\.steps must be a whole number"),
        ({"algorithm.loss.kind": "d"}, r"algorithm\.loss\.kind must be one of 'a', 'b', 'c'"),
        ({"algorithm.margin": 0.5}, r"algorithm\.margin has a value, but its conditions do not hold"),
        ({"algorithm.loss.wieght": 1.0}, r"algorithm\.loss\.wieght is not searched(.|\n)*did you mean"),
    ],
)
def test_a_value_outside_the_space_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Space.from_mapping(NESTED).validate(POINT | change)


def test_all_wrong_values_are_told_together() -> None:
    with pytest.raises(Several) as caught:
        Space.from_mapping(NESTED).validate({"algorithm.loss.kind": "b", "algorithm.steps": 7})
    assert [error.rule.split()[0] for error in caught.value.errors] == [
        "algorithm.loss.weight",
        "algorithm.steps",
        "algorithm.loss.macro",
    ]


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ({"choices": []}, "is a choice without options"),
        ({"choices": [1, 2, 1]}, r"space\.algorithm\.x\.choices repeats an option\n  received: 1"),
        ({"choices": "a"}, "must be a list"),
        ({"choices": [[1]]}, "may hold numbers, text, true, false and null"),
        ({"low": 2, "high": 1}, "low ≥ high\n  received: low 2, high 1"),
        ({"low": 1, "high": 1}, "low ≥ high"),
        ({"low": 0, "high": 1, "log": True}, "log with low ≤ 0"),
        ({"low": -1.0, "high": 1, "log": True}, "log with low ≤ 0"),
        ({"low": 1, "high": 4, "log": True, "step": 1}, "has log and step"),
        ({"low": 0, "high": 1, "step": 0.3}, "a high that no step reaches"),
        ({"low": 0, "high": 1, "step": 0}, "must be a number > 0"),
        ({"low": 0, "high": 1, "log": "yes"}, "must be true or false"),
        ({"low": 0}, "needs high"),
        ({"low": "0", "high": 1}, r"space\.algorithm\.x\.low must be a number\n  received: '0'"),
        ({"low": 0, "high": float("inf")}, "must be a number"),
        ({"low": 0, "high": 1, "choices": [1]}, "mixes choices with a range"),
        ({"low": 0, "hihg": 1}, r"unknown key space\.algorithm\.x\.hihg(.|\n)*did you mean high"),
        ({"choises": [1, 2]}, r"did you mean choices\? valid keys: choices, high, log, low, step, when, why"),
        (3, r"space\.algorithm\.x must hold low and high, or choices"),
        ({}, "must hold low and high, or choices"),
        ({"low": 0, "high": 1, "when": True}, "must map the key of another parameter"),
        ({"low": 0, "high": 1, "when": {"algorithm.y": []}}, r"lists no value for algorithm\.y"),
    ],
)
def test_a_leaf_that_makes_no_sense_is_refused(leaf: Any, message: str) -> None:
    with pytest.raises((ConfigError, Several), match=message):
        Space.from_mapping({"algorithm": {"x": leaf, "y": {"choices": [1, 2]}}})


@pytest.mark.parametrize("path", ["search", "algorithm"])
def test_only_settings_of_the_algorithm_can_be_searched(path: str) -> None:
    with pytest.raises(ConfigError, match=rf"space\.{path}\.name cannot be searched"):
        Space.from_mapping({path: {"name": {"choices": ["a", "b"]}}})


def test_all_problems_of_a_space_are_told_together() -> None:
    bad = {"a": {"choices": []}, "b": {"low": 2, "high": 1, "why": "x"}, "c": {"low": 0, "high": 1, "x": 1}}
    with pytest.raises(Several) as caught:
        Space.from_mapping({"algorithm": bad})
    assert [error.rule.split(" ")[0] for error in caught.value.errors[:2]] == [
        "space.algorithm.a",
        "space.algorithm.b",
    ]
    assert len(caught.value.errors) == 3

from __future__ import annotations

from typing import Any

import pytest

from mersearch.errors import ConfigError
from mersearch.space import Choice, Float, Int, Space
from mersearch.space.conditions import resolve
from mersearch.space.dimension import Value
from mersearch.space.parse import Kind
from mersearch.space.problem import Problem


class Settings:
    """Three settings: a real number, a whole number and a switch."""

    def __init__(self, **values: Value) -> None:
        self.values = {f"algorithm.{name}": value for name, value in values.items()}

    def kind(self, path: str) -> Kind:
        kinds: dict[type, Kind] = {float: "float", int: "int"}
        return kinds.get(type(self.values[path]), "other")

    def unknown(self, path: str) -> Problem | None:
        return None if path in self.values else Problem(path, f"unknown key {path}", path, "", True)

    def accept(self, path: str, value: object) -> tuple[Any, str]:
        held = self.values[path]
        if isinstance(held, bool) != isinstance(value, bool):
            return value, "true or false" if isinstance(held, bool) else "a number"
        return value, "" if isinstance(value, bool) or value >= 0 else "a number ≥ 0"  # type: ignore[operator]

    def fixed(self, path: str) -> Value:
        return self.values[path]


SETTINGS = Settings(x=1.0, y=2.0, n=3, on=True)


def nested(**leaves: Any) -> dict[str, Any]:
    return {"algorithm": leaves}


def test_whole_bounds_of_a_real_setting_make_a_real_parameter() -> None:
    space = Space.from_mapping(
        nested(x={"low": 0, "high": 2}, n={"low": 0, "high": 2}, on={"choices": [True]}), SETTINGS
    )
    kinds = {dimension.path: type(dimension) for dimension in space.parameters}
    assert kinds == {"algorithm.x": Float, "algorithm.n": Int, "algorithm.on": Choice}


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ({"x": {"low": -1, "high": 2}}, r"space\.algorithm\.x\.low contradicts the setting(.|\n)*≥ 0"),
        ({"n": {"choices": [1, -2]}}, r"space\.algorithm\.n\.choices contradicts the setting"),
        ({"on": {"choices": [True, 1]}}, r"algorithm\.on must be true or false"),
        ({"z": {"low": 0, "high": 1}}, r"unknown key algorithm\.z"),
    ],
)
def test_a_space_that_contradicts_the_settings_is_refused(leaf: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Space.from_mapping(nested(**leaf), SETTINGS)


def test_a_switch_has_no_range() -> None:
    with pytest.raises(Exception, match="is not a number, so it has no range"):
        Space.from_mapping(nested(on={"low": 0, "high": 1}), SETTINGS)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"algorithm.n": 9}, r"when\.algorithm\.n depends on a value that algorithm\.n never takes(.|\n)*9"),
        ({"algorithm.y": 0.5}, r"depends on algorithm\.y, which is a real number"),
        ({"algorithm.on": False}, r"never exists: it needs algorithm\.on = false(.|\n)*algorithm\.on = true"),
        ({"algorithm.on": 1}, r"depends on a value that algorithm\.on never takes"),
        ({"algorithm.z": 1}, r"depends on the unknown key algorithm\.z"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(when: dict[str, Any], message: str) -> None:
    leaves = nested(
        x={"low": 0.5, "high": 1.0, "when": when}, n={"low": 1, "high": 3}, y={"low": 0, "high": 1}
    )
    with pytest.raises(ConfigError, match=message):
        Space.from_mapping(leaves, SETTINGS)


def test_without_settings_a_condition_names_a_searched_parameter() -> None:
    with pytest.raises(
        ConfigError, match=r"algorithm\.on, which is not searched(.|\n)*parameters: algorithm\.x"
    ):
        Space.from_mapping(nested(x={"low": 0, "high": 1, "when": {"algorithm.on": True}}))


def test_a_condition_on_a_setting_that_holds_already_is_dropped() -> None:
    space = Space.from_mapping(nested(x={"low": 0, "high": 1, "when": {"algorithm.on": True}}), SETTINGS)
    assert space.parameters == (Float("algorithm.x", 0.0, 1.0),)


def test_a_cycle_is_told_as_a_path() -> None:
    leaves = nested(
        n={"choices": [1, 2], "when": {"algorithm.x": 1}},
        x={"choices": [1, 2], "when": {"algorithm.y": 1}},
        y={"choices": [1, 2], "when": {"algorithm.x": 2}},
    )
    with pytest.raises(ConfigError, match=r"algorithm\.x → algorithm\.y → algorithm\.x"):
        Space.from_mapping(leaves)


def test_what_depends_on_a_fixed_parameter_is_dropped_or_freed() -> None:
    switch = Choice("algorithm.on", (True, False))
    needs_on = Float("algorithm.x", 0, 1, when={"algorithm.on": (True,)})
    needs_off = Choice("algorithm.n", (1, 2), when={"algorithm.on": (False,)})
    below_off = Float("algorithm.y", 0, 1, when={"algorithm.n": (1,)})
    everything = (switch, needs_on, needs_off, below_off)
    resolved = resolve(everything, SETTINGS, fixed={"algorithm.on"})
    assert resolved.problems == ()
    assert resolved.parameters == (Float("algorithm.x", 0, 1),)
    assert resolved.dropped == ("algorithm.on", "algorithm.n", "algorithm.y")


def test_a_freed_parameter_stands_where_it_stands_without_a_condition() -> None:
    switch, plain = Choice("algorithm.on", (True, False)), Int("algorithm.n", 1, 3)
    freed = Float("algorithm.a", 0, 1, when={"algorithm.on": (True,)})
    resolved = resolve((switch, plain, freed), SETTINGS, fixed={"algorithm.on"})
    assert [dimension.path for dimension in resolved.parameters] == ["algorithm.a", "algorithm.n"]
    assert resolve(resolved.parameters[::-1], SETTINGS).parameters == resolved.parameters

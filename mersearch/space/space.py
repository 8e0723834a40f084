"""The declarative search space: which parameters are searched, within what, and when they exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mersearch.errors import raise_all
from mersearch.nesting import nested
from mersearch.space.conditions import resolve
from mersearch.space.dimension import Choice, Dimension, Float, Value, is_active
from mersearch.space.parse import Fields, parse
from mersearch.space.problem import Problem, did_you_mean


@dataclass(frozen=True, slots=True)
class Space:
    """Searched parameters, each after those its conditions name.

    A sampler draws in this order, so `from_mapping` makes it a function of the parameters alone: the same space
    written in another order proposes the same.
    """

    parameters: tuple[Dimension, ...] = ()

    @classmethod
    def from_mapping(cls, nested: Mapping[str, Any], fields: Fields | None = None) -> Space:
        """The space of the nested mapping under `space:` of a configuration.

        Args:
            nested: Keys as in the configuration; a leaf holds `low` and `high`, or `choices`.
            fields: What the algorithm's settings accept; without it only the space itself is checked, and
                whole-number bounds make a whole-number parameter.

        Raises:
            ConfigError: One rule is broken.
            Several: More than one is.
        """
        dimensions, problems = parse(nested, fields)
        resolved = resolve(dimensions, fields)
        raise_all([problem.error() for problem in (*problems, *resolved.problems)])
        return cls(resolved.parameters)

    @property
    def paths(self) -> tuple[str, ...]:
        """Dotted keys of all parameters, in order."""
        return tuple(dimension.path for dimension in self.parameters)

    def active(self, values: Mapping[str, Value]) -> tuple[Dimension, ...]:
        """The parameters that exist, given `values` of the parameters they depend on, in order."""
        return tuple(dimension for dimension in self.parameters if is_active(dimension, values))

    def validate(self, values: Mapping[str, Value]) -> None:
        """Check that `values` is a point of this space: every active parameter within its range, no other.

        Raises:
            ConfigError: One rule is broken.
            Several: More than one is.
        """
        active = {dimension.path: dimension for dimension in self.active(values)}
        problems = [_stray(path, value, self.paths) for path, value in values.items() if path not in active]
        for path, dimension in active.items():
            if path not in values:
                problems.append(Problem(path, "has no value", fix=f"give {dimension.describe()}"))
            elif not dimension.contains(values[path]):
                rule = f"must be {dimension.describe()}"
                problems.append(Problem(path, rule, received=repr(values[path])))
        raise_all([problem.error() for problem in problems])

    def to_mapping(self) -> dict[str, Any]:
        """The nested mapping that `from_mapping` reads back."""
        return nested({dimension.path: _leaf(dimension) for dimension in self.parameters})


def _stray(path: str, value: Value, paths: tuple[str, ...]) -> Problem:
    if path in paths:
        return Problem(path, "has a value, but its conditions do not hold", received=repr(value))
    fix = did_you_mean(path, paths, "searched parameters")
    return Problem(path, "is not searched", received=repr(value), fix=fix)


def _leaf(dimension: Dimension) -> dict[str, Any]:
    leaf: dict[str, Any]
    if isinstance(dimension, Choice):
        leaf = {"choices": list(dimension.choices)}
    else:
        leaf = {"low": dimension.low, "high": dimension.high}
        if dimension.log:
            leaf["log"] = True
        if dimension.step not in ((None,) if isinstance(dimension, Float) else (1,)):
            leaf["step"] = dimension.step
    if dimension.when:
        leaf["when"] = {path: list(values) for path, values in dimension.when.items()}
    if dimension.why:
        leaf["why"] = dimension.why
    return leaf

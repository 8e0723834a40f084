"""`search.points`: configurations that a search runs before its sampler proposes any."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mersearch.config.fields import SettingsFields
from mersearch.space import Space, Value
from mersearch.space.dimension import is_active, same, show
from mersearch.space.problem import Problem

Point = dict[str, Value]


def where(place: int) -> str:
    """The key of a point."""
    return f"search.points.{place}"


def is_whole(point: Mapping[str, Value], space: Space) -> bool:
    """Whether nothing of the space is left for the sampler to draw."""
    return all(dimension.path in point for dimension in space.active(point))


def read_points(
    points: Sequence[Mapping[str, Any]], fields: SettingsFields, space: Space, overridden: Collection[str]
) -> tuple[tuple[Point, ...], list[Problem]]:
    """The points as they are run, and every broken rule.

    Args:
        points: as they were written.
        fields: what the settings of the algorithm accept.
        space: what is searched.
        overridden: settings that overrides set, which a point may not contradict.

    Returns:
        Values as the fields hold them; settings that the space does not search and that the configuration has
        anyway are gone, so that equal configurations are equal points.
    """
    read: list[Point] = []
    problems: list[Problem] = []
    for place, point in enumerate(points):
        reader = _Reader(where(place), fields, space, overridden)
        found = reader.read(point)
        problems += reader.problems
        if found in read and not reader.problems:
            fix = "list every point once"
            problems.append(Problem(where(place), f"repeats point {read.index(found)}", show(point), fix))
        read.append(found)
    return tuple(read), problems


@dataclass(slots=True)
class _Reader:
    """Reads one point and collects what is wrong with it."""

    key: str
    fields: SettingsFields
    space: Space
    overridden: Collection[str]
    problems: list[Problem] = field(default_factory=list)

    def read(self, point: Mapping[str, Any]) -> Point:
        """What is right of the point."""
        held = {path: value for path, raw in point.items() for value in self._value(str(path), raw)}
        searched = {dimension.path: dimension for dimension in self.space.parameters}
        for path in held.keys() & searched.keys():
            dimension = searched[path]
            if not dimension.contains(held[path]):
                fix = f"{path} is {dimension.describe()}; widen space.{path}, or change the point"
                self._complain(path, "lies outside of what is searched", show(held[path]), fix)
            elif not is_active(dimension, held):
                needs = " and ".join(f"{p} = {' or '.join(map(show, v))}" for p, v in dimension.when.items())
                self._complain(path, f"exists only where {needs}", show(held[path]), "name that in the point")
        return {path: value for path, value in held.items() if path in searched or self._changes(path, value)}

    def _value(self, path: str, raw: Any) -> list[Value]:
        """The value as the field holds it; empty where it breaks a rule."""
        if not path.startswith("algorithm.") or path == "algorithm.name":
            self._complain(path, "cannot be set by a point", path, "points hold settings: algorithm.…")
            return []
        if (problem := self.fields.unknown(path)) is not None:
            self.problems.append(replace(problem, path=f"{self.key}.{path}"))
            return []
        if raw is not None and not isinstance(raw, bool | int | float | str):
            self._complain(path, "may be a number, text, true, false or null", show(raw), "")
            return []
        value, demand = self.fields.accept(path, raw)
        if demand:
            self._complain(path, f"must be {demand}", show(raw), "")
            return []
        if self.fields.known and path in self.overridden and self._changes(path, value):
            fix = "leave the override out, or change the point"
            self._complain(path, f"contradicts an override of {path}", show(value), fix)
            return []
        return [value]

    def _changes(self, path: str, value: Value) -> bool:
        return not self.fields.known or not same(self.fields.fixed(path), value)

    def _complain(self, path: str, rule: str, received: str, fix: str) -> None:
        self.problems.append(Problem(f"{self.key}.{path}", rule, received, fix))

"""Conditions of a space: which can hold, which always do, and the order they impose."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from mersearch.space.dimension import Choice, Dimension, Int, Value, same, show
from mersearch.space.parse import Fields
from mersearch.space.problem import Problem, did_you_mean


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is left to search.

    Attributes:
        parameters: Each after those its conditions name, else by path, whatever the order of the file; a
            condition that always holds is gone.
        dropped: Paths that are not searched because of what was `fixed`.
        problems: Broken rules.
    """

    parameters: tuple[Dimension, ...]
    dropped: tuple[str, ...]
    problems: tuple[Problem, ...]


def resolve(dimensions: Sequence[Dimension], fields: Fields | None, fixed: Collection[str] = ()) -> Resolved:
    """Settle all conditions.

    Args:
        dimensions: In the order of the file.
        fields: The settings; a condition may name one that is not searched.
        fixed: Paths that somebody took out of the search afterwards. A parameter that then cannot exist is
            dropped; without that, a condition that cannot hold is a problem.
    """
    ordered, problems = _topological(dimensions)
    settling = _Settling({d.path: d for d in dimensions if d.path not in fixed}, fields, frozenset(fixed))
    for dimension in ordered:
        if dimension.path in settling.searched:
            settling.settle(dimension)
    dropped = [d.path for d in dimensions if d.path in fixed or d.path in settling.never]
    parameters, _ = _topological(sorted(settling.kept, key=lambda dimension: dimension.path))
    return Resolved(tuple(parameters), tuple(dropped), (*problems, *settling.problems))


@dataclass(slots=True)
class _Settling:
    """Goes through the parameters in order and keeps what can exist."""

    searched: dict[str, Dimension]
    fields: Fields | None
    fixed: frozenset[str]
    never: set[str] = field(default_factory=set)
    kept: list[Dimension] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def settle(self, dimension: Dimension) -> None:
        """Keep the parameter with the conditions that remain open, or drop it."""
        open_conditions = {}
        for path, allowed in dimension.when.items():
            if path in self.never:
                self.never.add(dimension.path)
            elif path in self.searched:
                open_conditions[path] = self._possible(dimension, path, allowed)
            else:
                self._against_fixed(dimension, path, allowed)
        if dimension.path not in self.never:
            self.kept.append(dataclasses.replace(dimension, when=open_conditions))

    def _possible(self, dimension: Dimension, path: str, allowed: tuple[Value, ...]) -> tuple[Value, ...]:
        parent = self.searched[path]
        if not isinstance(parent, Choice | Int):
            fix = "depend on a choice or a whole number"
            self._complain(
                dimension, path, f"depends on {path}, which is a real number", show(allowed[0]), fix
            )
            return allowed
        for value in allowed:
            if not parent.contains(value):
                rule = f"depends on a value that {path} never takes"
                self._complain(dimension, path, rule, show(value), f"{path} is {parent.describe()}")
        return allowed

    def _against_fixed(self, dimension: Dimension, path: str, allowed: tuple[Value, ...]) -> None:
        if self.fields is None:
            fix = did_you_mean(path, self.searched, "searched parameters")
            self._complain(dimension, path, f"depends on {path}, which is not searched", path, fix)
            return
        if (problem := self.fields.unknown(path)) is not None:
            self._complain(dimension, path, f"depends on the unknown key {path}", path, problem.fix)
            return
        demands = [demand for value in allowed if (demand := self.fields.accept(path, value)[1])]
        if demands:
            rule = f"depends on a value that {path} never takes"
            self._complain(
                dimension, path, rule, ", ".join(map(show, allowed)), f"{path} must be {demands[0]}"
            )
            return
        current = self.fields.fixed(path)
        if any(same(current, value) for value in allowed):
            return
        self.never.add(dimension.path)
        if path not in self.fixed:
            rule = f"never exists: it needs {path} = {' or '.join(map(show, allowed))}, which is not searched"
            fix = f"search {path}, set it, or delete space.{dimension.path}"
            self._complain(dimension, path, rule, f"{path} = {show(current)}", fix)

    def _complain(self, dimension: Dimension, path: str, rule: str, received: str, fix: str) -> None:
        self.problems.append(Problem(f"space.{dimension.path}.when.{path}", rule, received, fix))


def _topological(dimensions: Sequence[Dimension]) -> tuple[list[Dimension], list[Problem]]:
    """The parameters with parents first, stable in the order given, and a problem per cycle."""
    waiting = {dimension.path: dimension for dimension in dimensions}
    ordered: list[Dimension] = []
    while waiting:
        ready = [d for d in waiting.values() if not any(parent in waiting for parent in d.when)]
        if not ready:
            return ordered, [_cycle(waiting)]
        ordered += [waiting.pop(dimension.path) for dimension in ready]
    return ordered, []


def _cycle(waiting: dict[str, Dimension]) -> Problem:
    """The first cycle: follow parents until a path repeats."""
    trail = [next(iter(waiting))]
    while True:
        parent = next(path for path in waiting[trail[-1]].when if path in waiting)
        if parent in trail:
            circle = [*trail[trail.index(parent) :], parent]
            fix = "remove one of these conditions"
            return Problem(f"space.{parent}.when", "depends on itself", " → ".join(circle), fix)
        trail.append(parent)

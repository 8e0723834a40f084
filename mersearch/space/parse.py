"""The nested mapping under `space:` → searched parameters, and everything that is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Protocol

from mersearch.space.dimension import Choice, Conditions, Dimension, Float, Int, Value, on_grid, same, show
from mersearch.space.problem import Problem, unknown_key

RANGE_KEYS = ("low", "high", "log", "step", "why", "when")
CHOICE_KEYS = ("choices", "why", "when")
Kind = Literal["float", "int", "other"]


class Fields(Protocol):
    """What the settings of an algorithm accept, by dotted key (`algorithm.…`)."""

    def kind(self, path: str) -> Kind:
        """The kind of number that the field holds."""
        ...

    def unknown(self, path: str) -> Problem | None:
        """The problem of a path that is not a field."""
        ...

    def accept(self, path: str, value: object) -> tuple[Value, str]:
        """The value as the field holds it, and what the field demands where it refuses (else an empty text)."""
        ...

    def fixed(self, path: str) -> Value:
        """What the configuration sets the field to."""
        ...


def parse(nested: Mapping[str, Any], fields: Fields | None) -> tuple[list[Dimension], list[Problem]]:
    """All leaves of `nested` that make sense by themselves, in order, and the problems of the others."""
    dimensions: list[Dimension] = []
    problems: list[Problem] = []
    for path, leaf in _leaves(nested):
        reader = _Leaf(path, leaf, fields)
        dimension = reader.read()
        problems += reader.problems
        if dimension is not None and not reader.problems:
            dimensions.append(dimension)
    return dimensions, problems


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and not _is_leaf(value):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _is_leaf(node: Mapping[str, Any]) -> bool:
    """Whether the mapping is meant as a parameter: it has a value under a key of one, or no parameters in it."""
    plain = {key for key, value in node.items() if not isinstance(value, Mapping)}
    return bool(plain & {*RANGE_KEYS, *CHOICE_KEYS}) or plain == node.keys() - {"when"}


class _Leaf:
    """Reads one leaf and collects what is wrong with it."""

    def __init__(self, path: str, leaf: Any, fields: Fields | None) -> None:
        self.path, self.leaf, self.fields = path, leaf, fields
        self.problems: list[Problem] = []

    def complain(self, rule: str, received: str = "", fix: str = "", key: str = "") -> None:
        """Note a problem at this leaf, or at one of its keys."""
        at = ".".join(filter(None, ("space", self.path, key)))
        self.problems.append(Problem(at, rule, received, fix))

    def read(self) -> Dimension | None:
        """The parameter, or None where the problems say why not."""
        if not isinstance(self.leaf, Mapping) or not self.leaf:
            self.complain("must hold low and high, or choices", show(self.leaf))
            return None
        if not self.path.startswith("algorithm.") or self.path == "algorithm.name":
            self.complain("cannot be searched", self.path, "search settings of the algorithm: algorithm.…")
            return None
        if self.fields is not None and (problem := self.fields.unknown(self.path)) is not None:
            self.problems.append(replace(problem, path=f"space.{self.path}"))
            return None
        self._check_keys()
        when, why = self._when(), str(self.leaf.get("why") or "")
        return self._choice(when, why) if "choices" in self.leaf else self._range(when, why)

    def _check_keys(self) -> None:
        valid = CHOICE_KEYS if "choices" in self.leaf else RANGE_KEYS
        mixed = [key for key in self.leaf if key in RANGE_KEYS and key not in valid]
        if mixed:
            received = f"choices with {', '.join(mixed)}"
            self.complain("mixes choices with a range", received, "keep low and high, or choices")
        for key in self.leaf:
            if key not in valid and key not in mixed:
                known = {*valid, *(() if "low" in self.leaf or "high" in self.leaf else CHOICE_KEYS)}
                self.problems.append(unknown_key(f"space.{self.path}.{key}", str(key), known))

    def _when(self) -> Conditions:
        when = self.leaf.get("when") or {}
        if not isinstance(when, Mapping):
            self.complain("must map the key of another parameter to a value", show(when), key="when")
            return {}
        conditions = {
            str(path): tuple(value) if isinstance(value, list | tuple) else (value,)
            for path, value in when.items()
        }
        for path, values in conditions.items():
            if not values:
                self.complain(f"lists no value for {path}, so the parameter never exists", "[]", key="when")
        return conditions

    def _choice(self, when: Conditions, why: str) -> Choice | None:
        options = self.leaf["choices"]
        if not isinstance(options, list | tuple):
            self.complain("must be a list", show(options), key="choices")
            return None
        if not options:
            self.complain("is a choice without options", "[]", "list at least one option, or delete it")
        choices: list[Value] = []
        for option in options:
            value = self._accepted(option, "choices")
            if value is not None and not isinstance(value, bool | int | float | str):
                self.complain("may hold numbers, text, true, false and null", show(value), key="choices")
            elif any(same(value, other) for other in choices):
                self.complain("repeats an option", show(value), "list every option once", key="choices")
            choices.append(value)
        return Choice(self.path, tuple(choices), why, when)

    def _range(self, when: Conditions, why: str) -> Float | Int | None:
        low, high, step = self._number("low"), self._number("high"), self._step()
        log = self.leaf.get("log", False)
        if not isinstance(log, bool):
            self.complain("must be true or false", show(log), key="log")
        if low is None or high is None or self.problems:
            return None
        self._check_range(low, high, step, bool(log))
        kind = self.fields.kind(self.path) if self.fields else None
        whole = isinstance(low, int) and isinstance(high, int) and kind in (None, "int")
        if kind == "other":
            self.complain("is not a number, so it has no range", f"{low} to {high}", "list its choices")
        if not whole:
            grid = None if step is None else float(step)
            return Float(self.path, float(low), float(high), log, grid, why, when)
        if step is not None and not isinstance(step, int):
            self.complain("must be a whole number", show(step), key="step")
            return None
        return Int(self.path, int(low), int(high), log, 1 if step is None else step, why, when)

    def _check_range(self, low: float, high: float, step: float | None, log: bool) -> None:
        if low >= high:
            self.complain("has low ≥ high", f"low {low}, high {high}", "make low smaller than high")
        elif step is not None and not on_grid(high, low, step):
            received = f"low {low}, high {high}, step {step}"
            self.complain("has a high that no step reaches", received, "make high - low a multiple of step")
        if log and low <= 0:
            self.complain("has log with low ≤ 0", f"low {low}", "a logarithmic range starts above 0")
        if log and step is not None:
            self.complain("has log and step", f"step {step}", "keep one of them")
        for key in ("low", "high"):
            self._accepted(self.leaf[key], key)

    def _number(self, key: str) -> float | None:
        if key not in self.leaf:
            self.complain(
                f"needs {key}", f"keys {', '.join(map(str, self.leaf))}", "give low and high, or choices"
            )
            return None
        value = self.leaf[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.complain("must be a number", show(value), key=key)
            return None
        return value

    def _step(self) -> float | None:
        value = self.leaf.get("step")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            self.complain("must be a number > 0", show(value), key="step")
            return None
        return value

    def _accepted(self, value: Any, key: str) -> Any:
        if self.fields is None:
            return value
        held, demand = self.fields.accept(self.path, value)
        if demand:
            fix = f"{self.path} must be {demand}"
            self.complain("contradicts the setting it searches", show(value), fix, key=key)
        return held

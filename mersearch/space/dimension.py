"""The three kinds of searched parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = bool | int | float | str | None
Conditions = Mapping[str, tuple[Value, ...]]
"""Path of another searched parameter → the values with which this one exists; all must hold."""


def same(a: object, b: object) -> bool:
    """Equality that tells `True` from 1 but not 1 from 1.0."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


@dataclass(frozen=True, slots=True)
class Float:
    """A real number in [low, high], uniform or uniform in the logarithm, on a grid where `step` is given."""

    path: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    why: str = ""
    when: Conditions = field(default_factory=dict)

    def contains(self, value: object) -> bool:
        """Whether the search can propose `value`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and on_grid(value, self.low, self.step)

    def describe(self) -> str:
        """The range, for messages."""
        return f"a number from {self.low} to {self.high}" + (f" in steps of {self.step}" if self.step else "")


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number in {low, low + step, …, high}, uniform or uniform in the logarithm."""

    path: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    why: str = ""
    when: Conditions = field(default_factory=dict)

    def contains(self, value: object) -> bool:
        """Whether the search can propose `value`."""
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def describe(self) -> str:
        """The range, for messages."""
        grid = f" in steps of {self.step}" if self.step > 1 else ""
        return f"a whole number from {self.low} to {self.high}{grid}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values."""

    path: str
    choices: tuple[Value, ...]
    why: str = ""
    when: Conditions = field(default_factory=dict)

    def contains(self, value: object) -> bool:
        """Whether the search can propose `value`."""
        return any(same(value, choice) for choice in self.choices)

    def describe(self) -> str:
        """The choices, for messages."""
        return "one of " + ", ".join(show(choice) for choice in self.choices)


Dimension = Float | Int | Choice


def is_active(dimension: Dimension, values: Mapping[str, Value]) -> bool:
    """Whether `dimension` exists, given the values of the active parameters it may depend on."""
    return all(
        path in values and any(same(values[path], value) for value in allowed)
        for path, allowed in dimension.when.items()
    )


def on_grid(value: float, low: float, step: float | None) -> bool:
    """Whether `value` is `low` plus a multiple of `step` (always true without a step)."""
    if step is None:
        return True
    steps = (value - low) / step
    return math.isclose(steps, round(steps), abs_tol=1e-9)


def show(value: object) -> str:
    """A value as YAML writes it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)

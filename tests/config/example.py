"""A class with settings and nothing else: what a configuration needs to know of an algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mersearch.algorithm import bounded


@dataclass(frozen=True)
class Loss:
    """One loss."""

    weight: float = bounded(1.0, ge=0, le=10)
    macro: bool = True
    margin: float = bounded(0.5, gt=0)


@dataclass(frozen=True)
class Settings:
    """Settings of `Example`."""

    loss: Loss = field(default_factory=Loss)
    steps: int = bounded(30, ge=1)
    widths: tuple[int, ...] = bounded((8, 16), ge=1)
    kind: Literal["a", "b"] = "a"
    limit: float | None = bounded(None, gt=0)
    table: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind == "b" and self.steps < 10:
            raise ValueError("kind b takes at least 10 steps")


class Example:
    """Named by the configurations of the tests."""

    Settings = Settings


class Bare:
    """A class without settings."""

"""Which stages of an algorithm belong to a fold, and which are run once, on macro clips alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from mersearch.algorithm import Algorithm, Stage, restricted
from mersearch.errors import TrialFailure


def own_stages(algorithm: Algorithm) -> tuple[Stage, ...]:
    """The stages that every fold runs for itself.

    Raises:
        TrialFailure: as `distinct`.
    """
    return tuple(stage for stage in distinct(algorithm.stages()) if stage.shared is None)


def shared_stages(algorithm: Algorithm) -> tuple[Stage, ...]:
    """The stages with steps that are run once, on macro clips alone.

    Raises:
        TrialFailure: as `distinct`, or one of them comes after a stage of the folds.
    """
    stages = distinct(algorithm.stages())
    order = [stage.shared is None for stage in stages]
    if order != sorted(order):
        raise TrialFailure(
            "shared stages come before the stages of a fold, which begin with what they leave",
            received=", ".join(
                f"{stage.name}{'' if own else ' (shared)'}" for stage, own in zip(stages, order, strict=True)
            ),
        )
    return tuple(stage for stage in stages if stage.shared is not None and stage.steps)


def distinct(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """`stages`, or TrialFailure where two would draw the same random numbers."""
    names = [stage.name for stage in stages]
    pairs = [(stage.name, update.loss) for stage in stages for update in stage.updates]
    if len({*names}) < len(names) or len({*pairs}) < len(pairs):
        raise TrialFailure(
            "stages have distinct names, and the updates of a stage distinct losses (both name random streams)",
            received=", ".join(f"{stage}: {loss}" for stage, loss in pairs),
        )
    return stages


class Alone:
    """The shared stages of an algorithm as all that it does, with the settings that these name and defaults.

    Nothing that the stages do not name can reach them, so two configurations that agree in these get the same.
    """

    def __init__(self, algorithm: Algorithm, most: int | None = None) -> None:
        """The part of `algorithm` that is run once, at most `most` steps of every stage.

        Raises:
            TrialFailure: the algorithm does not keep its settings and shapes, or the stages depend on settings that
                they do not name.
            ConfigError: a name that is no setting.
        """
        stages = shared_stages(algorithm)
        given = getattr(algorithm, "settings", None), getattr(algorithm, "shapes", None)
        if None in given:
            raise TrialFailure(
                "an algorithm with shared stages keeps its settings and shapes, to be made again from fewer of them",
                received=f"{type(algorithm).__name__} without `settings` or `shapes`",
                fix="self.settings, self.shapes = settings, shapes in its constructor",
            )
        names = sorted({name for stage in stages for name in stage.shared or ()})
        self.settings: Any = restricted(given[0], names)
        remade: Callable[..., Algorithm] = getattr(algorithm, "remade", type(algorithm))
        self.inner = remade(self.settings, given[1])
        if shared_stages(self.inner) != stages:
            raise TrialFailure(
                "a shared stage names every setting that it depends on",
                received=f"{names} give another stage than all settings do",
                fix="add what is missing to `shared` of the stage",
            )
        self._stages = tuple(_plain(stage, most) for stage in stages)

    def stages(self) -> tuple[Stage, ...]:
        """The shared stages, as stages of a fold."""
        return self._stages

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.inner, name)


def _plain(stage: Stage, most: int | None) -> Stage:
    steps = stage.steps if most is None else min(stage.steps, most)
    return dataclasses.replace(stage, steps=steps, shared=None)

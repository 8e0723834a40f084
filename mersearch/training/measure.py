"""What the training of a fold costs: a few optimiser steps of every stage, timed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from mersearch.algorithm import Algorithm, Stage
from mersearch.data.folds import Fold
from mersearch.training.batches import Split
from mersearch.training.chunk import train_chunk
from mersearch.training.device import DeviceData
from mersearch.training.fit import fit
from mersearch.training.mixed import in_precision
from mersearch.training.pretraining import NOBODY
from mersearch.training.processes import Pool
from mersearch.training.stages import Alone, own_stages, shared_stages

WARM, TIMED = 2, 4
"""Steps of a stage that are run first, and steps that are timed."""
_TRIES = 6
"""Measurements of a stage, each with twice the steps of the one before, until more steps take longer."""


class Shortened:
    """An algorithm of which one stage is run for a few steps; it may be sent to another process."""

    def __init__(self, inner: Algorithm, stage: Stage, steps: int) -> None:
        self._inner, self._stages = inner, (dataclasses.replace(stage, steps=steps),)

    def stages(self) -> tuple[Stage, ...]:
        """The one stage."""
        return self._stages

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)


def seconds_of(
    algorithm: Algorithm,
    data: DeviceData,
    folds: Sequence[Fold],
    *,
    backend: str,
    seed: int,
    dtype: torch.dtype = torch.float32,
    pool: Pool | None = None,
    timed: int = TIMED,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds that `folds` take at the algorithm's own number of steps, without prediction and preparation.

    Shared stages, which are no part of a fold, are left out.

    Every stage is run once untimed, for what only a first run costs (memory, kernels, processes). Then a few steps
    are timed, and `timed` more than that: the difference is what the steps cost. Where other programs make it vanish,
    more steps are timed; where that does not help either, a step is counted with its share of the whole run.

    Args:
        algorithm, data, folds, backend, seed, dtype, pool: as `train_chunk`.
        timed: steps that are timed per stage.
        clock: tells the seconds; processor time leaves out what other programs do.
    """

    def seconds(stage: Stage, steps: int) -> float:
        short = cast("Algorithm", Shortened(algorithm, stage, steps))
        start = clock()
        train_chunk(short, data, folds, seed=seed, backend=backend, dtype=dtype, pool=pool)
        if data.device.type == "cuda":
            torch.cuda.synchronize(data.device)
        return clock() - start

    stages = [stage for stage in own_stages(algorithm) if stage.steps]
    return sum(_per_step(partial(seconds, stage), timed) * stage.steps for stage in stages)


def seconds_once(
    algorithm: Algorithm,
    data: DeviceData,
    macro: NDArray[np.int64],
    *,
    seed: int,
    dtype: torch.dtype = torch.float32,
    timed: int = TIMED,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds that the shared stages of an algorithm take, measured as `seconds_of`; 0 where it has none.

    Args:
        macro: positions among the macro clips.
        algorithm, data, seed, dtype, timed, clock: as `seconds_of`.
    """
    if not shared_stages(algorithm):
        return 0.0
    algorithm, dtype = in_precision(algorithm, dtype)
    alone, split = Alone(algorithm), Split(NOBODY, np.empty(0, np.int64), macro)

    def seconds(stage: Stage, steps: int) -> float:
        short = cast("Algorithm", Shortened(cast("Algorithm", alone), stage, steps))
        start = clock()
        fit(short, data, split, seed, dtype)
        if data.device.type == "cuda":
            torch.cuda.synchronize(data.device)
        return clock() - start

    return sum(_per_step(partial(seconds, stage), timed) * stage.steps for stage in alone.stages())


def _per_step(seconds: Callable[[int], float], timed: int) -> float:
    """Seconds of one step, by what a number of them takes; see `seconds_of`."""
    seconds(WARM)
    steps = timed
    for _ in range(_TRIES):
        few = seconds(WARM)
        more = seconds(WARM + steps)
        if more > few:
            return (more - few) / steps
        whole, steps = more / (WARM + steps), 2 * steps
    return whole


def steps_of(algorithm: Algorithm) -> int:
    """Optimiser steps of a fold, over all its own stages and updates."""
    return sum(stage.steps * update.repeats for stage in own_stages(algorithm) for update in stage.updates)

"""What a fold costs on this machine: a few optimiser steps of every stage, timed on arrays of noise."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from typing import Any

import numpy as np

from mersearch.algorithm import Algorithm, Labels, Shapes, Stage, settings_from
from mersearch.config.importing import algorithm_class
from mersearch.config.records import Config
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import folds
from mersearch.data.table import Clip
from mersearch.numerics import Mode, apply, dtype
from mersearch.preparation import Material
from mersearch.training import DeviceData, train_chunk

TIMED = 4
"""Optimiser steps that the estimate times per stage, after two to warm up."""


class Shortened:
    """An algorithm of which one stage is run for a few steps."""

    def __init__(self, inner: Algorithm, stage: Stage, steps: int) -> None:
        self._inner, self._stages = inner, (dataclasses.replace(stage, steps=steps),)

    def stages(self) -> tuple[Stage, ...]:
        """The one stage."""
        return self._stages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def seconds_per_fold(config: Config, material: Material, shapes: Shapes, mode: Mode) -> float:
    """Steps of every stage times their measured cost, at the configuration's own settings.

    Args:
        mode: numeric mode of this machine; the process is brought into it.
    """
    apply(mode)
    dataset = _noise(material, shapes)
    data = DeviceData.from_dataset(dataset, str(mode["device"]))
    cls = algorithm_class(config.algorithm.name)
    algorithm: Algorithm = cls(settings_from(cls.Settings, config.algorithm.settings), shapes)
    fold = folds(dataset)[:1]

    def timed(stage: Stage, steps: int) -> float:
        start = time.perf_counter()
        short: Any = Shortened(algorithm, stage, steps)
        train_chunk(short, data, fold, seed=config.run.seed, backend=config.folds.backend, dtype=dtype(mode))
        return time.perf_counter() - start

    total = 0.0
    for stage in algorithm.stages():
        few = timed(stage, 2)
        total += max(0.0, timed(stage, 2 + TIMED) - few) / TIMED * stage.steps
    return total


def _noise(material: Material, shapes: Shapes) -> DataSet:
    macro = None if material.macro is None else _clips(material.macro.clips, shapes.macro_emotions, shapes)
    return DataSet(_clips(material.micro.clips, shapes.emotions, shapes), macro, shapes, "")


def _clips(clips: tuple[Clip, ...], classes: tuple[str, ...], shapes: Shapes) -> Clips:
    subjects = tuple(sorted(Counter(clip.subject for clip in clips)))
    rng = np.random.default_rng(0)
    size = (len(clips), 3, shapes.frames, shapes.size, shapes.size)
    labels = Labels(
        emotion=np.array([classes.index(clip.emotion) for clip in clips], np.int64),
        subject=np.array([subjects.index(clip.subject) for clip in clips], np.int64),
        action_units=np.array([[u in (clip.action_units or ()) for u in ACTION_UNITS] for clip in clips]),
        annotated=np.array([clip.action_units is not None for clip in clips]),
    )
    noise = rng.integers(0, 256, size, np.uint8)
    rgb, flow = (view if name in shapes.views else None for name, view in (("rgb", noise), ("flow", noise)))
    flow = None if flow is None else flow.view(np.int8)
    return Clips(tuple(clip.clip_id for clip in clips), rgb, flow, labels, subjects)

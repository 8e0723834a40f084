"""What a fold costs on this machine: a few optimiser steps of every stage, timed on arrays of noise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch

from mersearch.algorithm import Algorithm, Labels, Shapes, settings_from
from mersearch.config.importing import algorithm_class
from mersearch.config.records import Config
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import Fold, folds
from mersearch.data.table import Clip
from mersearch.errors import ConfigError
from mersearch.numerics import Mode, apply, dtype
from mersearch.preparation import Material
from mersearch.training import DeviceData
from mersearch.training.measure import seconds_of, seconds_once
from mersearch.training.memory import available
from mersearch.training.processes import Pool

GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class Trial:
    """What is timed: the default configuration on noise of the shape and size of the data.

    Attributes:
        algorithm: at the configuration's own settings.
        data: on the device.
        folds: all of them.
    """

    algorithm: Algorithm
    data: DeviceData
    folds: tuple[Fold, ...]


def trial_of(config: Config, material: Material, shapes: Shapes, mode: Mode) -> Trial:
    """The trial that stands for all of a search; the process is brought into `mode`."""
    apply(mode)
    dataset = noise(material, shapes)
    cls = algorithm_class(config.algorithm.name)
    algorithm: Algorithm = cls(settings_from(cls.Settings, config.algorithm.settings), shapes)
    return Trial(algorithm, DeviceData.from_dataset(dataset, str(mode["device"])), folds(dataset))


def seconds_per_fold(config: Config, material: Material, shapes: Shapes, mode: Mode) -> float:
    """Steps of every stage times their measured cost, at the configuration's own settings.

    Shared stages count as if no trial found them finished by another one.

    Args:
        mode: numeric mode of this machine; the process is brought into it.
    """
    trial = trial_of(config, material, shapes, mode)
    return _own_seconds(trial, config, mode) + _shared_seconds(trial, config, mode)


def _shared_seconds(trial: Trial, config: Config, mode: Mode) -> float:
    """Of shared stages, per fold: they are run once for all folds that see the same macro clips."""
    seen = {fold.macro.tobytes(): fold.macro for fold in trial.folds}
    macro = max(seen.values(), key=len)
    once = seconds_once(trial.algorithm, trial.data, macro, seed=config.run.seed, dtype=dtype(mode))
    return once * len(seen) / len(trial.folds)


def _own_seconds(trial: Trial, config: Config, mode: Mode) -> float:
    backend, chunk = str(mode["backend"]), trial.folds[: config.folds.chunk]
    together = partial(seconds_of, trial.algorithm, trial.data, seed=config.run.seed, dtype=dtype(mode))
    if backend in ("loop", "loop-graph"):
        return together(chunk[:1], backend=backend)
    if backend != "processes":
        return together(chunk, backend=backend) / len(chunk)
    with Pool(trial.data, max(1, int(config.trial.cpus))) as pool:
        return together(chunk, backend=backend, pool=pool) / len(chunk)


def noise(material: Material, shapes: Shapes) -> DataSet:
    """A data set with the clips, people and labels of `material`, whose pictures are noise.

    Raises:
        ConfigError: it does not fit into memory.
    """
    _require_memory(material, shapes)
    macro = None if material.macro is None else _clips(material.macro.clips, shapes.macro_emotions, shapes)
    return DataSet(_clips(material.micro.clips, shapes.emotions, shapes), macro, shapes, "")


def _require_memory(material: Material, shapes: Shapes) -> None:
    """Raise ConfigError where the pictures take more memory than there is."""
    clips = len(material.micro.clips) + (0 if material.macro is None else len(material.macro.clips))
    needed, free = clips * 3 * shapes.frames * shapes.size**2, available(torch.device("cpu"))
    if needed > free:
        raise ConfigError(
            "the preprocessed clips must fit into memory",
            received=f"{clips} clips of {shapes.frames} frames of {shapes.size} x {shapes.size} pixels take "
            f"{needed / GIB:.1f} GiB, {free / GIB:.1f} GiB are free",
            fix="a smaller preprocess.size or preprocess.frames",
        )


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

"""What `launch --dry-run` shows: the plan of a search, with nothing trained that is kept."""

from __future__ import annotations

import dataclasses
import textwrap
import time
from collections import Counter
from typing import Any

import numpy as np

from mersearch.algorithm import Algorithm, Labels, Shapes, Stage, settings_from
from mersearch.config.importing import algorithm_class
from mersearch.config.records import Config, Search
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import folds
from mersearch.data.table import Clip
from mersearch.numerics import apply, dtype
from mersearch.preparation import Material, Report, read
from mersearch.ready import current_mode, require_material, shapes_of
from mersearch.training import DeviceData, train_chunk

WIDTH = 80
TIMED = 4
"""Optimiser steps that the estimate times per stage, after two to warm up."""


def dry_run(config: Config, slots: int, report: Report) -> list[str]:
    """The lines of the plan, at most 80 columns.

    Reads the databases, and times a few optimiser steps on arrays of noise; preprocesses nothing, keeps nothing.

    Raises:
        ConfigError: the algorithm needs what the data do not have.
        DataError: a database breaks a rule.
    """
    material = read(config, report)
    shapes = shapes_of(config, material)
    require_material(config, shapes, material.macro is not None)
    mode = current_mode(config)
    seconds = _seconds_per_fold(config, material, shapes)
    subjects = len(material.micro.subjects)
    most = config.search.trials * subjects
    rows = [
        ("data", f"{_database(config, material)}"),
        (
            "macro",
            _macro(config, material),
        ),
        ("algorithm", f"{config.algorithm.name}, {len(config.space.parameters)} parameters searched"),
        *([("fixed", f"{', '.join(config.fixed)} (by your overrides)")] if config.fixed else []),
        ("folds", f"{subjects} per trial (one per subject), in chunks of {config.folds.chunk}"),
        ("trials", f"{config.search.trials} by {config.search.sampler}, metric {config.search.metric}"),
        ("stopping", _stopping(config.search)),
        ("resources", f"{slots} trial(s) at once on {mode['device']}, {mode['threads']} thread(s) each"),
        (
            "time",
            f"at most {_duration(seconds * most / slots)}: {most} folds of about {seconds:.1f} s at the",
        ),
        ("", "default settings, timed here on a few steps; stopping saves a part"),
        ("run", f"{config.run.root}/{config.run.name}"),
    ]
    lines = []
    for name, text in rows:
        lines += textwrap.wrap(text, WIDTH, initial_indent=f"  {name:10s} ", subsequent_indent=" " * 13)
    return ["plan (nothing was trained or preprocessed)", *lines]


def _stopping(search: Search) -> str:
    if search.scheduler == "none":
        return "none"
    race = search.scheduler == "race"
    rungs = ", ".join(f"{share:g}" for share in (search.race.rungs if race else search.rungs))
    rule = f"race against the best complete trial, {search.race.alpha}," if race else "ASHA"
    return f"{rule} after {rungs} of the folds"


def _macro(config: Config, material: Material) -> str:
    if material.macro is None:
        return "none"
    kind = "SYNTHETIC, in the layout of " if config.macro.synthetic else ""
    return f"{kind}{material.macro.name}, {len(material.macro.clips)} clips"


def _database(config: Config, material: Material) -> str:
    database = material.micro
    counts = ", ".join(f"{name} {count}" for name, count in database.counts().items())
    kind = "SYNTHETIC, in the layout of " if config.data.synthetic else ""
    return (
        f"{kind}{database.name}, {config.data.labels}: {len(database.clips)} clips of "
        f"{len(database.subjects)} subjects ({counts})"
    )


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes / 60:.1f} hours" if minutes > 90 else f"{max(1, round(minutes))} min"


class _Shortened:
    """An algorithm of which one stage is run for a few steps."""

    def __init__(self, inner: Algorithm, stage: Stage, steps: int) -> None:
        self._inner, self._stages = inner, (dataclasses.replace(stage, steps=steps),)

    def stages(self) -> tuple[Stage, ...]:
        return self._stages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _seconds_per_fold(config: Config, material: Material, shapes: Shapes) -> float:
    """Steps of every stage times their measured cost, at the configuration's own settings."""
    mode = current_mode(config)
    apply(mode)
    dataset = _noise(material, shapes)
    data = DeviceData.from_dataset(dataset, str(mode["device"]))
    cls = algorithm_class(config.algorithm.name)
    algorithm: Algorithm = cls(settings_from(cls.Settings, config.algorithm.settings), shapes)
    fold = folds(dataset)[:1]

    def timed(stage: Stage, steps: int) -> float:
        start = time.perf_counter()
        short: Any = _Shortened(algorithm, stage, steps)
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
    rgb = rng.integers(0, 256, size, np.uint8)
    return Clips(tuple(clip.clip_id for clip in clips), rgb, rgb.view(np.int8), labels, subjects)

"""Every algorithm that the tests of training hold for; another one joins by a line of `EVERY`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from mersearch.algorithm import Algorithm, Labels, Shapes, settings_from
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.clips import DataSet
from mersearch.data.folds import folds
from mersearch.training import DeviceData
from tests.toy import Settings, Toy, toy_dataset
from trainables.disentangle import Disentangle
from trainables.quintuplet import Quintuplet

QUINTUPLET = {
    "encoder": {"width": 4, "dim": 8},
    "attention": {"heads": 2},
    "mask": {"width": 4, "steps": 3, "batch": 4},
    "batch": {"quintuplets": 3},
    "train": {"steps": 4},
}

DISENTANGLE = {
    "encoder": {"width": 4, "dim": 8},
    "attention": {"heads": 2},
    "identity": {"width": 4, "dim": 6, "steps": 2},
    "information": {"hidden": 8, "steps": 2},
    "emotion": {"steps": 2},
    "batch": {"size": 6},
    "train": {"steps": 3},
}


@dataclass(frozen=True)
class Case:
    """A small configuration that trains in a second; `weight` names a tensor that micro clips and labels change."""

    weight: str
    build: Callable[[Shapes], Algorithm]


EVERY = {
    "toy": Case("features.weight", partial(Toy, Settings(steps=20, macro=True, clip_norm=0.5))),
    "quintuplet": Case(
        "classifier.weight", partial(Quintuplet, settings_from(Quintuplet.Settings, QUINTUPLET))
    ),
    "disentangle": Case(
        "classifier.weight", partial(Disentangle, settings_from(Disentangle.Settings, DISENTANGLE))
    ),
}


def lifelike() -> DataSet:
    """The clips of `toy_dataset` at 16 pixels, with the names of classes and action units that databases have."""
    plain = toy_dataset(size=16, macro=True)
    assert plain.macro is not None
    shapes = dataclasses.replace(
        plain.shapes,
        emotions=("happiness", "disgust", "surprise"),
        macro_emotions=("happiness", "disgust", "surprise", "fear"),
        action_units=ACTION_UNITS,
    )
    micro, macro = (
        dataclasses.replace(clips, labels=_annotated(clips.labels)) for clips in (plain.micro, plain.macro)
    )
    return dataclasses.replace(plain, micro=micro, macro=macro, shapes=shapes)


def _annotated(labels: Labels) -> Labels:
    rng = np.random.Generator(np.random.PCG64(len(labels)))
    units = rng.random((len(labels), len(ACTION_UNITS))) < 0.2
    return dataclasses.replace(labels, action_units=units, annotated=units.any(1))


LIFELIKE = lifelike()
DEVICE_DATA = DeviceData.from_dataset(LIFELIKE)
FOLDS = folds(LIFELIKE)

"""Every algorithm that the tests of training hold for; another one joins by a line of `EVERY`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mersearch.algorithm import Algorithm, Shapes, settings_from
from mersearch.data.folds import folds
from mersearch.testing.clips import small_dataset
from mersearch.training import DeviceData
from tests.toy import Settings, Toy
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


EVERY: dict[str, Callable[[Shapes], Algorithm]] = {
    "toy": partial(Toy, Settings(steps=20, macro=True, clip_norm=0.5)),
    "quintuplet": partial(Quintuplet, settings_from(Quintuplet.Settings, QUINTUPLET)),
    "disentangle": partial(Disentangle, settings_from(Disentangle.Settings, DISENTANGLE)),
}

LIFELIKE = small_dataset(size=16, macro=True)
DEVICE_DATA = DeviceData.from_dataset(LIFELIKE)
FOLDS = folds(LIFELIKE)

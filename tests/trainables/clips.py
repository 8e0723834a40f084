"""Small tensor data and configurations for the tests of the algorithms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mersearch import seeds
from mersearch.algorithm import Labels, Shapes, Stage, Training, Update, settings_from
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.clips import Clips, DataSet
from trainables.disentangle import Disentangle
from trainables.quintuplet import Quintuplet

Either = Quintuplet | Disentangle
EMOTIONS = ("happiness", "disgust", "repression", "surprise", "others")
MACRO = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
A = len(ACTION_UNITS)


def shapes(**changes: Any) -> Shapes:
    """Both views, 4 frames of 16 pixels, CASME II's five classes, CK+."""
    usual = Shapes(4, 16, ("rgb", "flow"), EMOTIONS, MACRO, ACTION_UNITS, subjects=6)
    return dataclasses.replace(usual, **changes)


SMALL: dict[str, Any] = {
    "encoder": {"width": 4, "dim": 8},
    "attention": {"heads": 2},
    "mask": {"width": 4, "steps": 3, "batch": 4},
    "batch": {"quintuplets": 3},
    "train": {"steps": 4},
}
SMALL_DISENTANGLE: dict[str, Any] = {
    "encoder": {"width": 4, "dim": 8},
    "attention": {"heads": 2},
    "identity": {"width": 4, "dim": 6, "steps": 3},
    "information": {"hidden": 8, "steps": 3},
    "emotion": {"steps": 3},
    "batch": {"size": 7},
    "train": {"steps": 4},
}


def quintuplet(place: Shapes | None = None, **changes: Any) -> Quintuplet:
    """A narrow network; `changes` are nested settings merged over `SMALL`."""
    return Quintuplet(settings_from(Quintuplet.Settings, _merged(SMALL, changes)), place or shapes())


def disentangle(place: Shapes | None = None, **changes: Any) -> Disentangle:
    """Narrow networks; `changes` are nested settings merged over `SMALL_DISENTANGLE`."""
    settings = settings_from(Disentangle.Settings, _merged(SMALL_DISENTANGLE, changes))
    return Disentangle(settings, place or shapes())


def _merged(small: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {name: dict(group) for name, group in small.items()}
    for name, value in changes.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return merged


def updates(algorithm: Either) -> list[tuple[Stage, Update]]:
    """Every update with its stage, in order."""
    return [(stage, update) for stage in algorithm.stages() for update in stage.updates]


def labels(emotions: list[int], subjects: list[int] | None = None, seed: int = 0) -> Labels:
    """Labels of these clips; random action units, the last clip not annotated."""
    rng = np.random.default_rng(seed)
    units = rng.random((len(emotions), A)) < 0.2
    annotated = np.arange(len(emotions)) < len(emotions) - 1
    subject = subjects if subjects is not None else [i % 3 for i in range(len(emotions))]
    return Labels(np.array(emotions), np.array(subject), units & annotated[:, None], annotated)


def training(macro: bool = True, micro: list[int] | None = None) -> Training:
    """20 micro clips of five classes and 14 macro clips of seven, unless told."""
    emotions = micro if micro is not None else [i % 5 for i in range(20)]
    return Training(labels(emotions), labels([i % 7 for i in range(14)], seed=1) if macro else None)


def batch_of(
    algorithm: Either, stage: Stage, update: Update, known: Training, *, seed: int = 0, step: int = 0
) -> dict[str, Tensor]:
    """The batch of one step as the trainer would gather it, with noise for pictures."""
    plan = algorithm.plan(stage, update, known, seeds.generator(seed, stage.name, update.loss))
    place = algorithm.shapes
    torch_rng = torch.Generator().manual_seed(seed)
    batch: dict[str, Tensor] = {}
    for name, array in plan.items():
        row = array[step]
        if name not in ("micro", "macro"):
            batch[name] = torch.as_tensor(row).double()
            continue
        kind = known.micro if name == "micro" else known.macro
        assert kind is not None
        size = (len(row), 3, place.frames, place.size, place.size)
        batch |= {
            f"{name}.rgb": torch.rand(size, generator=torch_rng, dtype=torch.float64),
            f"{name}.flow": 2 * torch.rand(size, generator=torch_rng, dtype=torch.float64) - 1,
            f"{name}.emotion": torch.from_numpy(kind.emotion[row]),
            f"{name}.subject": torch.from_numpy(kind.subject[row]),
            f"{name}.action_units": torch.from_numpy(kind.action_units[row]).double(),
            f"{name}.annotated": torch.from_numpy(kind.annotated[row]).double(),
        }
    return {name: value for name, value in batch.items() if name.rpartition(".")[2] not in absent(place)}


def absent(place: Shapes) -> set[str]:
    """Views that are not on disk."""
    return {"rgb", "flow"} - set(place.views)


def doubles(algorithm: Either, key: int = 0) -> dict[str, Tensor]:
    """Fresh parameters in double precision."""
    return {name: value.double() for name, value in algorithm.init(key)[0].items()}


def first_state(algorithm: Either) -> dict[str, Tensor]:
    """The state before the first step, in double precision."""
    return {name: value.double() for name, value in algorithm.init(0)[1].items()}


def loss_of(
    algorithm: Either,
    parameters: dict[str, Tensor],
    batch: dict[str, Tensor],
    name: str,
    step: int = 0,
    key: int = 5,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and its logs."""
    state = first_state(algorithm)
    loss, _, logs = algorithm.loss(name, parameters, state, batch, torch.tensor(key), torch.tensor(step))
    return loss, logs


def dataset(frames: int = 3, size: int = 16, clips: int = 12) -> DataSet:
    """Two classes told apart by the sign of v in a corner of the face; two subjects and a third with one clip."""
    rng = np.random.default_rng(0)
    emotion = np.arange(clips) % 2
    subject = np.minimum(np.arange(clips) // 2 % 3, 2)
    units = np.zeros((clips, A), dtype=bool)
    units[np.arange(clips), np.where(emotion == 0, 8, 2)] = True
    flow = 8 * rng.standard_normal((clips, 3, frames, size, size))
    flow[:, 1, :, size // 2 :, : size // 2] += np.where(emotion == 0, 40, -40)[:, None, None, None]
    rgb = rng.integers(100, 140, (clips, 3, frames, size, size)).astype(np.uint8)
    micro = Clips(
        tuple(f"t/{subject[i]}/{i}" for i in range(clips)),
        rgb,
        flow.clip(-127, 127).astype(np.int8),
        Labels(emotion, subject, units, np.ones(clips, dtype=bool)),
        ("t/0", "t/1", "t/2"),
    )
    place = Shapes(frames, size, ("rgb", "flow"), ("happiness", "disgust"), (), ACTION_UNITS, 3)
    return DataSet(micro, None, place, digest="two corners")

"""Clips as compact tensors on the device: loaded once per process, gathered by index in every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mersearch.algorithm import Labels, Shapes
from mersearch.data.clips import Clips, DataSet

VIEWS = ("rgb", "flow")


@dataclass(frozen=True, slots=True)
class DeviceClips:
    """Clips of one kind on the device.

    Attributes:
        ids: clip ids [N].
        labels: labels of the N clips, on the host.
        tensors: first axis N: `rgb` uint8 and `flow` int8 [N, 3, T, H, W] where the data set has them, `emotion` and
            `subject` int64 [N], `action_units` bool [N, A], `annotated` bool [N].
        subjects: names; `labels.subject` indexes into it.
    """

    ids: tuple[str, ...]
    labels: Labels
    tensors: dict[str, Tensor]
    subjects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def views(self) -> tuple[str, ...]:
        """The views that are there, a subset of `VIEWS`."""
        return tuple(view for view in VIEWS if view in self.tensors)


@dataclass(frozen=True, slots=True)
class DeviceData:
    """A data set on a device."""

    micro: DeviceClips
    macro: DeviceClips | None
    shapes: Shapes
    device: torch.device

    @classmethod
    def from_dataset(cls, dataset: DataSet, device: str | torch.device = "cpu") -> DeviceData:
        """Copy `dataset` (memory maps included) to `device`."""
        place = torch.device(device)
        macro = _load(dataset.macro, place) if dataset.macro is not None else None
        return cls(_load(dataset.micro, place), macro, dataset.shapes, place)


def _load(clips: Clips, device: torch.device) -> DeviceClips:
    labels = clips.labels
    arrays = {
        "rgb": clips.rgb,
        "flow": clips.flow,
        "emotion": labels.emotion,
        "subject": labels.subject,
        "action_units": labels.action_units,
        "annotated": labels.annotated,
    }
    tensors = {
        name: torch.from_numpy(np.array(array)).to(device)
        for name, array in arrays.items()
        if array is not None
    }
    return DeviceClips(clips.ids, labels, tensors, clips.subjects)

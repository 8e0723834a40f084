"""From the tensors of a batch to what the networks see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trainables.quintuplet.augmentation import Views

RgbInput = Literal["difference", "frames"]
DIFFERENCE_GAIN = 4.0
"""Changes of brightness are small: this brings them to about the scale of the flow."""


def positions(available: int, used: int, part: float = 1.0) -> list[int]:
    """`used` frame positions, evenly spread over the first `part` of `available` frames, both ends included.

    One frame is the last of the part: nearest to the peak of a macro clip, and no onset frame without motion.

    >>> positions(8, 4)
    [0, 2, 5, 7]
    """
    last = part * (available - 1)
    if used == 1:
        return [round(last)]
    return [round(last * index / (used - 1)) for index in range(used)]


def views_of(batch: Mapping[str, Tensor], kind: str, names: tuple[str, ...], index: Tensor | None) -> Views:
    """The frames at positions `index` (None: all of them) of the clips of one kind, frames first."""
    clips = {name: batch[f"{kind}.{name}"] for name in names}
    if index is not None:
        clips = {name: torch.index_select(clip, 2, index) for name, clip in clips.items()}
    return {name: clip.transpose(1, 2) for name, clip in clips.items()}


def join(a: Views, b: Views) -> Views:
    """Clips of `a`, then those of `b`."""
    return {name: torch.cat([a[name], b[name]]) for name in a}


def centre(views: Views, rgb_input: RgbInput) -> Views:
    """RGB as the change since the first frame, or with mid grey at 0, so that a masked pixel says "nothing".

    A clip of one frame has no onset to compare with: it is shown as it is.
    """
    if "rgb" not in views:
        return views
    rgb = views["rgb"]
    if rgb_input == "difference" and rgb.shape[1] > 1:
        return {**views, "rgb": DIFFERENCE_GAIN * (rgb - rgb[:, :1])}
    return {**views, "rgb": 2 * rgb - 1}


def apply_mask(views: Views, mask: Tensor, floor: float) -> Views:
    """Multiply every view by floor + (1 − floor)·M, with M [B, T, g, g] brought to the size of the view."""
    size = next(iter(views.values())).shape[-2:]
    weight = resize(mask, size[0])
    scale = (floor + (1 - floor) * weight)[:, :, None]
    return {name: clip * scale for name, clip in views.items()}


def resize(maps: Tensor, size: int) -> Tensor:
    """Maps [B, C, g, g] brought to [B, C, size, size] between their cells; stays within the range of the values."""
    if maps.shape[-1] == size:
        return maps
    resized: Tensor = functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
    return resized

"""From the tensors of a batch to what the networks see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trainables.blocks.augmentation import Views

RgbInput = Literal["difference", "frames"]
FlowInput = Literal["local", "raw"]
DIFFERENCE_GAIN = 4.0
"""Changes of brightness are small: this brings them to about the scale of the flow."""


def positions(available: int, used: int, part: float = 1.0) -> list[int]:
    """`used` positions in the middle of equal shares of the first `part` of a clip, without the onset frame.

    ⌈part · (available − 1) · (i + ½) / used⌉: the onset frame is what flow and difference refer to, so they are 0
    there. A clip of one frame has only that.

    >>> positions(8, 7), positions(8, 4), positions(8, 4, 0.6), positions(1, 1)
    ([1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7], [1, 2, 3, 4], [0])
    """
    span = part * (available - 1)
    return [math.ceil(span * (2 * index + 1) / (2 * used)) for index in range(used)]


def frames_in_use(available: int, setting: int) -> int:
    """T of the networks: at most `setting` (0 = all) of the frames after the onset; 1 where there is no other."""
    after_onset = max(1, available - 1)
    return min(setting, after_onset) if setting else after_onset


def views_of(
    batch: Mapping[str, Tensor],
    kind: str,
    names: tuple[str, ...],
    index: Tensor,
    rgb_input: RgbInput,
    flow_input: FlowInput,
) -> Views:
    """The frames at positions `index` of the clips of one kind, centred: [B, T, 3, H, W].

    RGB is the change since the onset frame, or has mid grey at 0, so that a masked pixel says "nothing". A clip of
    one frame has no onset to compare with: it is shown as it is.
    """
    views = {}
    for name in names:
        clip = batch[f"{kind}.{name}"]
        chosen = torch.index_select(clip, 2, index)
        if name == "rgb":
            difference = rgb_input == "difference" and clip.shape[2] > 1
            chosen = DIFFERENCE_GAIN * (chosen - clip[:, :, :1]) if difference else 2 * chosen - 1
        elif flow_input == "local":
            chosen = without_head_motion(chosen)
        views[name] = chosen.transpose(1, 2)
    return views


def without_head_motion(flow: Tensor) -> Tensor:
    """Flow [B, 3, T, H, W] with u and v less their median over the inner face, frame by frame; strain as it is.

    A head that drifts moves every pixel by about the same amount, often by more than an action unit does; the median
    ignores the few places where the face itself moves. An outer ring of one pixel in 14 is left out: hair and
    background.
    """
    ring = flow.shape[-1] // 14
    inner = flow[:, :2, :, ring : flow.shape[-2] - ring, ring : flow.shape[-1] - ring]
    head = _median(_thinned(inner).flatten(-2))[..., None, None]
    return flow - torch.cat([head, torch.zeros_like(head[:, :1])], 1)


def _thinned(maps: Tensor) -> Tensor:
    """Maps [B, C, T, h, w] averaged over blocks of 2×2 pixels while 12 or more a side are left: cheaper to sort."""
    B, C, T = maps.shape[:3]
    while maps.shape[-1] >= 24 and maps.shape[-1] % 2 == 0:
        planes = functional.avg_pool2d(maps.reshape(B, C * T, *maps.shape[-2:]), 2)
        maps = planes.reshape(B, C, T, *planes.shape[-2:])
    return maps


def _median(x: Tensor) -> Tensor:
    """Mean of the two middle values of the last axis, so that the median of −x is minus that of x."""
    return (x.median(-1).values - (-x).median(-1).values) / 2


def join(a: Views, b: Views) -> Views:
    """Clips of `a`, then those of `b`."""
    return {name: torch.cat([a[name], b[name]]) for name in a}


def apply_mask(views: Views, mask: Tensor, floor: float) -> Views:
    """Multiply every view by floor + (1 − floor)·M, with M [B, T, g, g] brought to the size of the view."""
    size = next(iter(views.values())).shape[-1]
    scale = (floor + (1 - floor) * resize(mask, size))[:, :, None]
    return {name: clip * scale for name, clip in views.items()}


def resize(maps: Tensor, size: int) -> Tensor:
    """Maps [B, C, g, g] brought to [B, C, size, size] between their cells; stays within the range of the values."""
    if maps.shape[-1] == size:
        return maps
    resized: Tensor = functional.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
    return resized


def peak_map(attention: Tensor, grid: int) -> Tensor:
    """Attention [B, h, w] as a map [B, grid, grid] in [0, 1] whose largest value before resampling is 1."""
    scaled = attention / attention.amax((1, 2), keepdim=True)
    return resize(scaled[:, None], grid)[:, 0]

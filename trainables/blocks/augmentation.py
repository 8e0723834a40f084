"""Random changes of a clip, from stateless numbers, the same geometry for both views."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mersearch import stateless
from trainables.blocks.settings import AugmentationSettings

Views = dict[str, Tensor]
"""View → clips [B, T, 3, H, W]; the channels of flow are u, v and strain."""


def mirror(views: Views) -> Views:
    """The clips as seen in a mirror: left and right swapped, and u with the other sign."""
    first = next(iter(views.values()))
    other_side = -torch.ones(len(first), dtype=first.dtype, device=first.device)
    mirrored = {name: clip.flip(-1) for name, clip in views.items()}
    if "flow" in mirrored:
        mirrored["flow"] = mirrored["flow"] * flow_factor(other_side)
    return mirrored


def augment(views: Views, settings: AugmentationSettings, key: Tensor, step: Tensor, site: int) -> Views:
    """Mirror, shift, brightness (rgb) and magnitude (flow), each clip its own; uses sites `site` … `site` + 4."""
    first = next(iter(views.values()))
    B, dtype = len(first), first.dtype

    def even(offset: int, limit: float, shape: tuple[int, ...] = (B,)) -> Tensor:
        """Uniform numbers in ±`limit`."""
        return limit * (2 * stateless.uniform(key, step, site + offset, shape, dtype) - 1)

    side = torch.ones(B, dtype=dtype, device=first.device)
    if settings.flip:
        side = side - 2 * stateless.bernoulli(0.5, key, step, site, (B,)).to(dtype)
    if settings.flip or settings.shift > 0:
        offset = even(1, 2 * settings.shift, (B, 2))
        views = {name: warp(clip, side, offset) for name, clip in views.items()}
    if "flow" in views:
        scale = 1 + even(2, settings.magnitude)
        views = {**views, "flow": views["flow"] * (_per_clip(scale) * flow_factor(side))}
    if "rgb" in views and settings.brightness > 0:
        gain, level = 1 + even(3, settings.brightness), even(4, settings.brightness)
        views = {**views, "rgb": _per_clip(gain) * views["rgb"] + _per_clip(level)}
    return views


def warp(clip: Tensor, side: Tensor, offset: Tensor) -> Tensor:
    """Look at `clip` [B, T, C, H, W] from `side` [B] (1, or −1 in a mirror), moved by `offset` [B, 2].

    Pixel (x, y) of the result shows (side · x + offset_x, y + offset_y) of the clip, in units in which the picture
    spans [−1, 1], interpolated between pixels; edges are repeated.
    """
    B, T, C, H, W = clip.shape
    y = torch.linspace(-1 + 1 / H, 1 - 1 / H, H, dtype=clip.dtype, device=clip.device)
    x = torch.linspace(-1 + 1 / W, 1 - 1 / W, W, dtype=clip.dtype, device=clip.device)
    grid_x = (side[:, None] * x + offset[:, :1])[:, None, :].expand(B, H, W)
    grid_y = (y + offset[:, 1:])[:, :, None].expand(B, H, W)
    grid = torch.stack([grid_x, grid_y], -1)
    planes = clip.reshape(B, T * C, H, W)
    seen = functional.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return seen.reshape(clip.shape)


def _per_clip(factor: Tensor) -> Tensor:
    return factor[:, None, None, None, None]


def flow_factor(side: Tensor) -> Tensor:
    """Factors [B, 1, 3, 1, 1] of (u, v, strain) seen from `side` [B]: u changes its sign in a mirror."""
    same = torch.ones_like(side)
    return torch.stack([side, same, same], 1)[:, None, :, None, None]

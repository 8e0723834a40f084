"""Encoders of the views, and their fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from trainables.quintuplet.encoder import Encoder
from trainables.quintuplet.fusion import GatedFusion
from trainables.quintuplet.settings import Settings


class Features(NamedTuple):
    """What the recogniser computes of B clips."""

    views: dict[str, Tensor]
    """Feature of every view [B, D]."""
    fused: Tensor
    """Fused feature [B, D]; the only view's, where there is one."""
    attention: Tensor
    """Where the views look [B, h, w], summing to 1, weighted by the mean gate."""


class Recogniser(nn.Module):
    """View → clip [B, T, 3, H, W] to `Features`. Micro and macro clips share all weights."""

    def __init__(self, settings: Settings, views: tuple[str, ...], size: int, frames: int) -> None:
        super().__init__()
        net, attention = settings.encoder, settings.attention
        self.encoders = nn.ModuleDict(
            {v: Encoder(size, frames, net.width, net.dim, attention) for v in views}
        )
        self.fusion = GatedFusion(net.dim, settings.fusion.prior) if len(views) == 2 else None

    def forward(self, clips: Mapping[str, Tensor]) -> Features:
        """Encode and fuse."""
        encoded = {view: encoder(clips[view]) for view, encoder in self.encoders.items()}
        views = {view: feature for view, (feature, _) in encoded.items()}
        if self.fusion is None:
            ((fused, attention),) = encoded.values()
            return Features(views, fused, attention)
        share = self.fusion.gate().mean()
        attention = share * encoded["flow"][1] + (1 - share) * encoded["rgb"][1]
        return Features(views, self.fusion(views["flow"], views["rgb"]), attention)

"""The network of one view: a shallow convolution stem per frame, then attention pooling."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from trainables.quintuplet.attention import AttentionPooling
from trainables.quintuplet.norm import ClipNorm
from trainables.quintuplet.settings import AttentionSettings


def stem_layers(size: int) -> int:
    """Convolutions of stride 2 that bring `size` pixels to a grid of about 8: 2 at 28 to 40, 3 at 64, 4 at 128."""
    return max(1, round(math.log2(size / 8)))


class Encoder(nn.Module):
    """View of a clip [B, T, 3, H, W] → feature [B, D] and attention map [B, h, w].

    The stem sees single frames: flow from the onset to each frame holds the motion already, and shallow networks
    are hard to beat on it. The layer norm at the end has no weights; it puts both views on one scale for the fusion.
    """

    def __init__(self, size: int, frames: int, width: int, dim: int, attention: AttentionSettings) -> None:
        super().__init__()
        channels = [3, width] + [2 * width] * (stem_layers(size) - 1)
        pairs = list(pairwise(channels))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(ClipNorm(b) for _, b in pairs)
        self.pool = AttentionPooling(channels[-1], attention.heads, frames, attention.width)
        self.project = nn.Linear(attention.heads * channels[-1], dim, bias=False)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The feature, and the attention averaged over heads and summed over time."""
        B, T, C, H, W = clip.shape
        x = clip.reshape(B * T, C, H, W)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.relu(norm(conv(x), T))
        h, w = x.shape[-2:]
        pooled, attention = self.pool(x.reshape(B, T, -1, h, w).permute(0, 1, 3, 4, 2))
        feature = self.project(pooled.reshape(B, -1))
        return functional.layer_norm(feature, feature.shape[-1:]), attention.mean(1).sum(1).reshape(B, h, w)

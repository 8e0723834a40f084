"""A shallow convolution stem, frame by frame."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from trainables.blocks.norm import ClipNorm


def stem_layers(size: int) -> int:
    """Convolutions of stride 2 that bring `size` pixels to a grid of about 8: 2 at 28 to 40, 3 at 64, 4 at 128."""
    return max(1, round(math.log2(size / 8)))


class Stem(nn.Module):
    """Clips [B, T, 3, H, W] → tokens [B, T, h, w, C], with C = `width`, or twice that after two layers or more.

    The stem sees single frames: flow from the onset to each frame holds the motion already, and shallow networks
    are hard to beat on it.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        channels = [3, width] + [2 * width] * (stem_layers(size) - 1)
        pairs = list(pairwise(channels))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(ClipNorm(b) for _, b in pairs)
        self.channels = channels[-1]
        """C."""

    def forward(self, clip: Tensor) -> Tensor:
        """Tokens of every frame."""
        B, T, C, H, W = clip.shape
        x = clip.reshape(B * T, C, H, W)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.relu(norm(conv(x), T))
        h, w = x.shape[-2:]
        return x.reshape(B, T, self.channels, h, w).permute(0, 1, 3, 4, 2)

"""Normalisation over a whole clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ClipNorm(nn.Module):
    """Group normalisation with one group over the frames, channels and pixels of a clip.

    y = weight_c · (x − mean) / sd + bias_c, mean and sd over (t, c, y, x) of one clip. Normalising every frame
    by itself would blow the noise of a still frame up to the size of a motion.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Normalise `x` [B·T, C, h, w] with `frames` = T."""
        clips = x.reshape(-1, frames * x.shape[1], *x.shape[2:])
        scaled = functional.group_norm(clips, 1, self.weight.repeat(frames), self.bias.repeat(frames))
        return scaled.reshape(x.shape)

"""Multi-head attention pooling of the tokens of a clip."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SHIFT_SCALE, WIDTH_SCALE = 0.1, 0.3
"""Size of the learned changes of a window's centre (in pictures) and log width at the start."""


class AttentionPooling(nn.Module):
    """H heads, each the weighted mean of the tokens in a learned window, at learned times, of a learned content.

        a_h = softmax over (t, p) of q_h · x_tp − ‖p − c_h‖² / 2w_h² + r_ht,      y_h = Σ_tp a_htp x_tp

    q_h is the query (the key projection and 1 / √C are one vector with it; the value and output projections are the
    linear layer that follows). Positions in space are a Gaussian window with learned centre c_h and width w_h, which
    start on a lattice over the picture, so the heads look at different places from the first step.
    """

    def __init__(self, channels: int, heads: int, frames: int, width: float) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(heads, channels))
        self.shift = nn.Parameter(torch.empty(heads, 2))
        self.log_width = nn.Parameter(torch.empty(heads, 1))
        self.time = nn.Parameter(torch.empty(heads, frames))
        self.width = width

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pool tokens `x` [B, T, h, w, C] to [B, H, C]; also the attention [B, H, T, h·w], summing to 1 over both."""
        B, T, h, w, C = x.shape
        heads = len(self.query)
        tokens = x.reshape(B, T * h * w, C)
        position = self.time[:, :, None] + self._window(h, w).reshape(heads, 1, h * w)
        scores = (tokens @ self.query.T * C**-0.5).transpose(1, 2) + position.reshape(heads, -1)
        attention = torch.softmax(scores, dim=2)
        return attention @ tokens, attention.reshape(B, heads, T, h * w)

    def _window(self, h: int, w: int) -> Tensor:
        """−‖p − c_h‖² / 2w_h² at the centres of the cells, [H, h, w]."""
        like = self.shift
        centre = lattice(len(like), like) + SHIFT_SCALE * like
        y, x = (_cells(n, like) for n in (h, w))
        vertical, horizontal = (y - centre[:, 1:]) ** 2, (x - centre[:, :1]) ** 2
        precision = torch.exp(-2 * WIDTH_SCALE * self.log_width) / (2 * self.width**2)
        return -precision[:, :, None] * (vertical[:, :, None] + horizontal[:, None, :])


def lattice(heads: int, like: Tensor) -> Tensor:
    """Points [H, 2] (x, y) in [0, 1]: ⌈√H⌉ rows, filled as evenly as possible from the top, centred."""
    rows = math.ceil(math.sqrt(heads))
    head = torch.arange(heads, device=like.device)
    row = head * rows // heads
    first = -(-(row * heads) // rows)
    count = -(-((row + 1) * heads) // rows) - first
    place = torch.stack([(head - first), row], 1).to(like.dtype)
    return (place + 0.5) / torch.stack([count, torch.full_like(count, rows)], 1)


def _cells(n: int, like: Tensor) -> Tensor:
    return (torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n

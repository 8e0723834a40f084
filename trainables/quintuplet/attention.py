"""Multi-head attention pooling of the tokens of a clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

POSITION_SCALE = 4.0
"""Scale of the positions at the start, large enough for the heads to look at different places from step 0."""


class AttentionPooling(nn.Module):
    """H learned queries, each with its own weighted mean over space and time.

        k_tp = x_tp + s_p + r_t,   a_h = softmax over (t, p) of q_h · k_tp,   y_h = Σ_tp a_htp x_tp

    with s_p, r_t learned positions in space and time. The product of a key projection, a query and the usual 1 / √C
    is one vector, so q_h stands for all three; the value and output projections are the linear layer that follows.
    """

    def __init__(self, channels: int, heads: int, frames: int, places: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(heads, channels))
        self.space = nn.Parameter(torch.empty(places, channels))
        self.time = nn.Parameter(torch.empty(frames, channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pool tokens `x` [B, T, P, C] to [B, H, C]; also the attention [B, H, T, P], which sums to 1 over (T, P)."""
        B, T, P, C = x.shape
        places = POSITION_SCALE * (self.time[:, None] + self.space)
        tokens = x.reshape(B, T * P, C)
        scores = tokens @ self.query.T + (places @ self.query.T).reshape(T * P, -1)
        attention = torch.softmax(scores, dim=1).transpose(1, 2)
        return attention @ tokens, attention.reshape(B, -1, T, P)

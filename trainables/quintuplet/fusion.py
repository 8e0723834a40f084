"""Fusion of the views with a gate that can ignore one of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GatedFusion(nn.Module):
    """fused_d = g_d · flow_d + (1 − g_d) · rgb_d with g = σ(bias + prior), one gate per feature, learned.

    The views are added, not concatenated, because the contrastive loss aligns them in one space. `prior` is a
    constant, so weight decay pulls the gate to it; g = 1 ignores RGB, g = 0 ignores flow.
    """

    def __init__(self, dim: int, prior: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(dim))
        self.prior = prior

    def gate(self) -> Tensor:
        """Share of flow in every feature [D], in (0, 1)."""
        return torch.sigmoid(self.bias + self.prior)

    def forward(self, flow: Tensor, rgb: Tensor) -> Tensor:
        """Fuse features `flow` and `rgb` [B, D]."""
        gate = self.gate()
        return gate * flow + (1 - gate) * rgb

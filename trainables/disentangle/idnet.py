"""IDNet: whose face it is, from one picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.blocks.stem import Stem


class GlobalAttention(nn.Module):
    """Every place of the face attends to every place: shape and contour are relations between distant places.

        y_p = x_p + Σ_q softmax_q(⟨W_k x_q, W_q x_p⟩ / √C) W_v x_q

    Source: Wang et al., "Non-local neural networks", CVPR 2018, with one head.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`x` [B, N, C] with what the other places say."""
        scores = self.query(x) @ self.key(x).transpose(1, 2) * x.shape[-1] ** -0.5
        attended: Tensor = x + torch.softmax(scores, 2) @ self.value(x)
        return attended


class IDNet(nn.Module):
    """Picture [B, 1, 3, H, W] → identity feature z [B, D].

    Means over the four quarters and not one mean follow the attention, so that the layout of a face is kept.
    """

    def __init__(self, size: int, width: int, dim: int, attention: bool) -> None:
        super().__init__()
        self.stem = Stem(size, width)
        self.attend = GlobalAttention(self.stem.channels) if attention else None
        self.project = nn.Linear(4 * self.stem.channels, dim, bias=False)

    def forward(self, picture: Tensor) -> Tensor:
        """The feature; its layer norm has no weights, as that of MENet."""
        tokens = self.stem(picture)[:, 0]
        B, h, w, C = tokens.shape
        x = tokens.reshape(B, h * w, C)
        x = self.attend(x) if self.attend is not None else x
        feature = self.project(quarters(x.reshape(B, h, w, C)).flatten(1))
        return functional.layer_norm(feature, feature.shape[-1:])


def quarters(x: Tensor) -> Tensor:
    """Means [B, C, 4] over the quarters of a grid `x` [B, h, w, C].

    Quarters of an odd grid share its middle row or column. Slices, because the adaptive pooling of torch has no
    deterministic gradient on a card.
    """
    rows, columns = (_halves(length) for length in x.shape[1:3])
    return torch.stack([x[:, row, column].mean((1, 2)) for row in rows for column in columns], dim=2)


def _halves(length: int) -> tuple[slice, slice]:
    return slice(0, (length + 1) // 2), slice(length // 2, length)

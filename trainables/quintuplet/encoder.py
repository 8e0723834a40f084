"""The network of one view: a shallow convolution stem per frame, then attention pooling."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trainables.blocks.attention import AttentionPooling
from trainables.blocks.stem import Stem
from trainables.quintuplet.settings import AttentionSettings


class Encoder(nn.Module):
    """View of a clip [B, T, 3, H, W] → feature [B, D] and attention map [B, h, w].

    The layer norm at the end has no weights; it puts both views on one scale for the fusion.
    """

    def __init__(self, size: int, frames: int, width: int, dim: int, attention: AttentionSettings) -> None:
        super().__init__()
        self.stem = Stem(size, width)
        self.pool = AttentionPooling(self.stem.channels, attention.heads, frames, attention.width)
        self.project = nn.Linear(attention.heads * self.stem.channels, dim, bias=False)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The feature, and the attention averaged over heads and summed over time."""
        tokens = self.stem(clip)
        pooled, attention = self.pool(tokens)
        feature = self.project(pooled.flatten(1))
        where = attention.mean(1).sum(1).reshape(len(clip), *tokens.shape[2:4])
        return functional.layer_norm(feature, feature.shape[-1:]), where

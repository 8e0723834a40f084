"""MENet: what moves in a face, seen through several attention maps."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from trainables.blocks.attention import AttentionPooling
from trainables.blocks.settings import EncoderSettings
from trainables.blocks.stem import Stem
from trainables.disentangle.settings import AttentionSettings


class MENet(nn.Module):
    """Clip [B, T, 3, H, W] → motion feature m [B, D] and attention maps [B, heads, T, h, w].

    The *diverse attention operation*: every head weighs the tokens of all frames by a map of its own, which sums
    to 1 over the clip; the pooled tokens of all heads make the feature. The layer norm at the end has no weights: the
    critic sees features of one scale, so the information cannot be lowered by making them small.
    """

    def __init__(
        self, size: int, frames: int, encoder: EncoderSettings, attention: AttentionSettings
    ) -> None:
        super().__init__()
        self.stem = Stem(size, encoder.width)
        self.attend = AttentionPooling(self.stem.channels, attention.heads, frames, attention.width)
        self.project = nn.Linear(attention.heads * self.stem.channels, encoder.dim, bias=False)

    def forward(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """The feature, and the attention of every head."""
        tokens = self.stem(clip)
        pooled, attention = self.attend(tokens)
        feature = self.project(pooled.flatten(1))
        maps = attention.reshape(*attention.shape[:3], *tokens.shape[2:4])
        return functional.layer_norm(feature, feature.shape[-1:]), maps

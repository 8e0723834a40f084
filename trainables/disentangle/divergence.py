"""The divergence loss of the attention heads."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Similarity = Literal["hellinger", "cosine"]
FLOOR = 1e-6
"""Added to every cell before a map is normalised."""


def overlap(maps: Tensor, similarity: Similarity) -> Tensor:
    """Mean similarity of all pairs of heads, for every clip [B], in [0, 1]; the divergence loss is its mean.

        o = 2 / (H (H − 1)) Σ_{h<k} s(p_h, p_k),   p_h = (a_h + ε) / Σ_n (a_hn + ε)
        hellinger: s = Σ_n √(p_hn p_kn), which is 1 − (Hellinger distance)²
        cosine:    s = ⟨p_h, p_k⟩ / (‖p_h‖ ‖p_k‖)

    Equal maps give 1, maps without a common cell about 0 (up to ε). A map of zeros counts as even, so zeros are the
    worst choice and no minimiser. One head gives exactly 0 with a gradient of 0. ε keeps the root's slope finite.

    Args:
        maps: a ≥ 0 [B, H, N].
        similarity: s.
    """
    H = maps.shape[1]
    if H == 1:
        return 0 * maps.sum((1, 2))
    p = maps + FLOOR
    if similarity == "hellinger":
        rows = torch.sqrt(p / p.sum(-1, keepdim=True))
    else:
        rows = p * torch.rsqrt((p * p).sum(-1, keepdim=True))
    alike = rows @ rows.transpose(1, 2)
    own = torch.diagonal(alike, dim1=1, dim2=2).sum(-1)
    return (alike.sum((1, 2)) - own) / (H * (H - 1))

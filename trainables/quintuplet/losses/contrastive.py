"""Contrast of the two views of a clip."""

from __future__ import annotations

import torch
from torch import Tensor

EXCLUDED = -1e9
"""Similarity of a pair that is neither positive nor negative: exp of it is exactly 0."""


def info_nce(rgb: Tensor, flow: Tensor, emotion: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE between unit features `rgb` and `flow` [B, D] of the same B clips.

        s_ij = rgb_i · flow_j / τ
        L = −½ · 1/B Σ_i [log (e^{s_ii} / Σ_{j ∈ N_i} e^{s_ij}) + log (e^{s_ii} / Σ_{j ∈ N_i} e^{s_ji})]
        N_i = {i} ∪ {j : emotion_j ≠ emotion_i}

    The two views of a clip are the positive pair; views of clips of another class are negatives. Clips of the same
    class are neither, whoever shows them. A batch of one class gives exactly 0.

    Source: A. van den Oord, Y. Li, O. Vinyals, "Representation learning with contrastive predictive coding", 2018;
    the symmetric form over two views: A. Radford et al., "Learning transferable visual models", ICML 2021.
    """
    similarity = rgb @ flow.T / temperature
    same = emotion[:, None] == emotion[None, :]
    own = torch.eye(len(emotion), dtype=torch.bool, device=emotion.device)
    candidates = torch.where(same & ~own, EXCLUDED, similarity)
    positive = torch.diagonal(similarity)
    to_flow = torch.logsumexp(candidates, 1) - positive
    to_rgb = torch.logsumexp(candidates, 0) - positive
    return (to_flow + to_rgb).mean() / 2

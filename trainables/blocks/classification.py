"""Cross entropy of the classifier."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, emotion: Tensor, weight: Tensor, smoothing: float) -> Tensor:
    """Weighted cross entropy with label smoothing; 0 where all weights are 0.

        L = Σ_i w_i [(1 − ε)(−log p_i,y_i) + ε/L Σ_l (−log p_il)] / Σ_i w_i

    Args:
        logits: [B, L].
        emotion: y, int64 [B].
        weight: w ≥ 0 [B].
        smoothing: ε.
    """
    log_p = torch.log_softmax(logits, 1)
    chosen = log_p.gather(1, emotion[:, None])[:, 0]
    entropy = -(1 - smoothing) * chosen - smoothing * log_p.mean(1)
    return (entropy * weight).sum() / weight.sum().clamp(min=1e-6)

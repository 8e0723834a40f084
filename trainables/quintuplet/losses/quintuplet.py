"""The cross-modal quintuplet loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.quintuplet.losses.distance import squared_distance


@dataclass(frozen=True, slots=True)
class Quintuplets:
    """Q quintuplets as unit features, and which of their members exist.

    Attributes:
        anchor, positive, negative: micro members [Q, D].
        macro_positive, macro_negative: macro members [Q, D], or None without macro clips.
        micro_valid, macro_valid: [Q], 1 where both members of the kind exist, else 0.
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor
    micro_valid: Tensor
    macro_positive: Tensor | None = None
    macro_negative: Tensor | None = None
    macro_valid: Tensor | None = None

    @classmethod
    def of(cls, members: Sequence[Tensor], valid: Sequence[Tensor]) -> Quintuplets:
        """Three or five members in the order anchor, positive, negative (micro), positive, negative (macro)."""
        anchor, positive, negative = members[:3]
        if len(valid) == 1:
            return cls(anchor, positive, negative, valid[0])
        return cls(anchor, positive, negative, valid[0], members[3], members[4], valid[1])


def quintuplet_loss(
    q: Quintuplets, *, margin_micro: float, margin_macro: float, alpha: float, cross: float
) -> Tensor:
    """Pull the anchor to its positives and away from its negatives, within micro and across to macro clips.

        L = [d(A, P) − d(A, N) + m_micro]₊ + α [d(A, P') − d(A, N') + m_macro]₊
            + γ ([d(A, P) − d(A, N') + m_macro]₊ + [d(A, P') − d(A, N) + m_macro]₊)

    with d the squared distance, P, N micro and P', N' macro members, γ = `cross`. Each term is the mean over the
    quintuplets in which its members exist, and 0 where none has them, so missing members do not change the scale.
    At m = 0 and identical points a term is 0. On unit vectors d ≤ 4, so a margin above 4 cannot be met.

    Source: G. Q. Sun, master thesis, 2023 (abstract); the form is our reading, see docs/quintuplet.md.
    """
    to_positive, to_negative = squared_distance(q.anchor, q.positive), squared_distance(q.anchor, q.negative)
    loss = _term(to_positive - to_negative + margin_micro, q.micro_valid)
    if q.macro_positive is None or q.macro_negative is None or q.macro_valid is None:
        return loss
    to_macro_positive = squared_distance(q.anchor, q.macro_positive)
    to_macro_negative = squared_distance(q.anchor, q.macro_negative)
    loss = loss + alpha * _term(to_macro_positive - to_macro_negative + margin_macro, q.macro_valid)
    if cross == 0:
        return loss
    both = q.micro_valid * q.macro_valid
    mixed = _term(to_positive - to_macro_negative + margin_macro, both) + _term(
        to_macro_positive - to_negative + margin_macro, both
    )
    return loss + cross * mixed


def _term(excess: Tensor, valid: Tensor) -> Tensor:
    """Mean of [excess]₊ [Q] over the valid quintuplets; 0 without any."""
    return (torch.relu(excess) * valid).sum() / valid.sum().clamp(min=1)

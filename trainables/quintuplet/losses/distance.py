"""The distance of the quintuplet loss."""

from __future__ import annotations

import torch
from torch import Tensor


def unit(x: Tensor) -> Tensor:
    """`x` [..., D] divided by its length; the zero vector stays zero, with a finite gradient."""
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-12)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """d [...] = ‖a − b‖² of `a` and `b` [..., D]; on unit vectors 2 − 2 cos, in [0, 4]."""
    return ((a - b) ** 2).sum(-1)

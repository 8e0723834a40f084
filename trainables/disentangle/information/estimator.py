"""The interface of the estimators: functions of a matrix of scores.

Row i of the scores S [B, B] belongs to the motion feature of clip i, column j to the identity feature of clip j.
The diagonal holds the pairs that occur (the joint distribution). The pairs of two different clips stand for the
product of the marginals, with weights w [B, B] that sum to 1 (`trainables.disentangle.sampling`); the diagonal
has none, but for a subject's only clip.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from mersearch.algorithm import State

Network = Literal["critic", "conditional"]


class Estimator(Protocol):
    """One estimator; holds no parameters."""

    network: ClassVar[Network]
    """What makes the scores: a critic T(m, z), or a conditional density log q(z | m)."""

    def initial(self) -> State:
        """State before the first step."""
        ...

    def learn(self, scores: Tensor, weights: Tensor, state: State) -> tuple[Tensor, State]:
        """The loss of the network that makes the scores, and the next state."""
        ...

    def estimate(self, scores: Tensor, weights: Tensor) -> Tensor:
        """The information in nats, with a gradient for the features."""
        ...


def joint(scores: Tensor) -> Tensor:
    """Mean score of the pairs that occur."""
    return torch.diagonal(scores).mean()


def product(scores: Tensor, weights: Tensor) -> Tensor:
    """Mean score of the pairs under the product of the marginals: Σ w_ij S_ij."""
    return (weights * scores).sum()


def log_mean_exp(scores: Tensor, weights: Tensor) -> Tensor:
    """log Σ w_ij exp(S_ij), without overflow; pairs of weight 0 have no part and no gradient."""
    counted = torch.where(weights > 0, scores + weights.clamp(min=1e-30).log(), float("-inf"))
    return torch.logsumexp(counted.flatten(), 0)

"""InfoNCE: which of B identity features belongs to this motion feature?

van den Oord et al., "Representation learning with contrastive predictive coding", 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mersearch.algorithm import State
from trainables.disentangle.information.estimator import Network


@dataclass(frozen=True, slots=True)
class InfoNCE:
    """I ≥ E_i[T_ii − log 1/B Σ_j exp T_ij].

    Never above log B, whatever the information is: a batch of 32 clips reads at most 3.47 nats. Every column counts
    alike, the positive one too, so `weights` has no part in it.
    """

    network: ClassVar[Network] = "critic"

    def initial(self) -> State:
        """None."""
        return {}

    def learn(self, scores: Tensor, weights: Tensor, state: State) -> tuple[Tensor, State]:
        """Minus the bound."""
        return -self.estimate(scores, weights), state

    def estimate(self, scores: Tensor, weights: Tensor) -> Tensor:
        """The bound."""
        del weights
        rows = torch.diagonal(scores) - torch.logsumexp(scores, 1)
        return rows.mean() + math.log(len(scores))

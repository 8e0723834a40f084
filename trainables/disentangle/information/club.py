"""CLUB: an upper bound, from a conditional density.

Cheng et al., "CLUB: a contrastive log-ratio upper bound of mutual information", ICML 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mersearch.algorithm import State
from trainables.disentangle.information.estimator import Network, joint, product


@dataclass(frozen=True, slots=True)
class Club:
    """I ≤ E_joint[log q(z | m)] − E_product[log q(z | m)], where q is the true conditional density.

    q is learned by maximum likelihood. The bound is not tight: for two Gaussians of correlation ρ it is
    ρ² / (1 − ρ²), and it grows without limit as q gets sharp. So, other than the rest, it may lie far above the
    entropy of the subject.
    """

    network: ClassVar[Network] = "conditional"

    def initial(self) -> State:
        """None."""
        return {}

    def learn(self, scores: Tensor, weights: Tensor, state: State) -> tuple[Tensor, State]:
        """Minus the mean log likelihood of the pairs that occur."""
        del weights
        return -joint(scores), state

    def estimate(self, scores: Tensor, weights: Tensor) -> Tensor:
        """The bound."""
        return joint(scores) - product(scores, weights)

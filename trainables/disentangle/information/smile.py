"""SMILE: learned by the Jensen–Shannon bound, read out with a clipped partition term.

Song and Ermon, "Understanding the limitations of variational mutual information estimators", ICLR 2020; the bound is
Nowozin et al., "f-GAN", NeurIPS 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from mersearch.algorithm import State
from trainables.disentangle.information.estimator import Network, joint, log_mean_exp, product


@dataclass(frozen=True, slots=True)
class Smile:
    """I ≈ E_joint[T] − log E_product[clip(exp T, e^−τ, e^τ)], with the gradient of the Jensen–Shannon bound.

    At the optimum of that bound T is the log density ratio. Clipping bounds the variance and biases the read-out,
    upwards by the ratios above e^τ, downwards by those below e^−τ; it is an approximation, no bound. With τ above the
    logarithm of the number of people, features that tell the subject read no more than its entropy.
    """

    clip: float
    network: ClassVar[Network] = "critic"

    def initial(self) -> State:
        """None."""
        return {}

    def learn(self, scores: Tensor, weights: Tensor, state: State) -> tuple[Tensor, State]:
        """−(E_joint[−log(1 + e^−T)] − E_product[log(1 + e^T)])."""
        return -_jensen_shannon(scores, weights), state

    def estimate(self, scores: Tensor, weights: Tensor) -> Tensor:
        """The clipped value; the gradient is that of the bound."""
        bound = _jensen_shannon(scores, weights)
        value = joint(scores) - log_mean_exp(scores.clamp(-self.clip, self.clip), weights)
        return bound + (value - bound).detach()


def _jensen_shannon(scores: Tensor, weights: Tensor) -> Tensor:
    return -joint(functional.softplus(-scores)) - product(functional.softplus(scores), weights)

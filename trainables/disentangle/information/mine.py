"""MINE: the Donsker–Varadhan bound, with the corrected gradient.

Belghazi et al., "Mutual information neural estimation", ICML 2018, equations 10 and 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mersearch.algorithm import State
from trainables.disentangle.information.estimator import Network, joint, log_mean_exp


@dataclass(frozen=True, slots=True)
class Mine:
    """I ≥ E_joint[T] − log E_product[exp T].

    The gradient of the second term is E[exp(T) ∇T] / E[exp T]; with the mean of a batch below, it is biased. Below
    stands a moving average of it instead, kept as its logarithm:

        a ← log((1 − r) exp(b) + r exp(a)),   b = log E_batch[exp T],   r = decay

    A lower bound that is pushed down proves nothing about the information itself, so it is clamped at 0 where it is
    used, and read beside a probe.
    """

    decay: float
    network: ClassVar[Network] = "critic"

    def initial(self) -> State:
        """No average yet."""
        return {"log_mean": torch.zeros(()), "seen": torch.zeros(())}

    def learn(self, scores: Tensor, weights: Tensor, state: State) -> tuple[Tensor, State]:
        """A loss whose value is −(E[T] − exp(b − a)) and whose gradient is the corrected one."""
        batch = log_mean_exp(scores, weights)
        kept = state["log_mean"] + _log(self.decay, batch)
        new = batch.detach() + _log(1 - self.decay, batch)
        mean = torch.where(state["seen"] > 0, torch.logaddexp(kept, new), batch.detach())
        loss = torch.exp(batch - mean) - joint(scores)
        return loss, {"log_mean": mean, "seen": torch.ones_like(state["seen"])}

    def estimate(self, scores: Tensor, weights: Tensor) -> Tensor:
        """E[T] − log E[exp T] of the batch."""
        return joint(scores) - log_mean_exp(scores, weights)


def _log(share: float, like: Tensor) -> Tensor:
    return torch.full_like(like, share).log()

"""The networks that score pairs of motion and identity features."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional


class Critic(nn.Module):
    """T(m_i, z_j) for all pairs: a perceptron with two hidden layers on both features.

    The first layer is linear in each feature, so it is computed for B + B features instead of B · B pairs.
    """

    def __init__(self, motion: int, identity: int, hidden: int) -> None:
        super().__init__()
        self.of_motion = nn.Linear(motion, hidden)
        self.of_identity = nn.Linear(identity, hidden, bias=False)
        self.hidden = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, m: Tensor, z: Tensor) -> Tensor:
        """Scores [B, B] of `m` [B, D] and `z` [B, E]; row i is m_i."""
        pairs = self.of_motion(m)[:, None] + self.of_identity(z)[None]
        score: Tensor = self.score(functional.relu(self.hidden(functional.relu(pairs))))
        return score[..., 0]


class Conditional(nn.Module):
    """log q(z_j | m_i): a Gaussian with independent components, mean and log variance by a perceptron.

    tanh keeps the log variance in ±`SPREAD`, so that a feature that is known exactly has a finite density.
    """

    SPREAD = 6.0

    def __init__(self, motion: int, identity: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(motion, hidden)
        self.mean = nn.Linear(hidden, identity)
        self.log_variance = nn.Linear(hidden, identity)

    def forward(self, m: Tensor, z: Tensor) -> Tensor:
        """log q [B, B] of `m` [B, D] and `z` [B, E] in nats; row i is m_i."""
        x = functional.relu(self.hidden(m))
        mean, log_variance = self.mean(x)[:, None], self.SPREAD * (self.log_variance(x) / self.SPREAD).tanh()
        distance = (z[None] - mean) ** 2 * (-log_variance).exp()[:, None]
        log_q: Tensor = (
            -(distance.sum(-1) + log_variance.sum(-1)[:, None] + z.shape[-1] * math.log(2 * math.pi)) / 2
        )
        return log_q

"""Known distributions, their exact scores, and a critic that learns them, for the tests of the estimators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch import stateless
from trainables.disentangle.critic import Critic
from trainables.disentangle.information import Estimator

Draw = Callable[[int], tuple[Tensor, Tensor, Tensor]]
"""Step → motion features [B, D], identity features [B, E], weights of pairs [B, B]."""


def even(B: int) -> Tensor:
    """Equal weights of all pairs i ≠ j."""
    return (1 - torch.eye(B, dtype=torch.float64)) / (B * (B - 1))


def gaussian(rho: float, B: int, seed: int) -> tuple[Tensor, Tensor]:
    """m, z [B, 1] of correlation `rho`."""
    m, noise = torch.randn(2, B, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return m, rho * m + (1 - rho**2) ** 0.5 * noise


def truth(rho: float) -> float:
    """I = −½ log(1 − ρ²)."""
    return float(-0.5 * np.log1p(-(rho**2)))


def log_ratio(m: Tensor, z: Tensor, rho: float) -> Tensor:
    """log p(m_i, z_j) / p(m_i) p(z_j) of standard normal m and z [B, 1]: [B, B]."""
    square = (z.T - rho * m) ** 2 / (1 - rho**2)
    return truth(rho) + (z.T**2 - square) / 2


def people(counts: list[int]) -> NDArray[np.int64]:
    """The subject of every clip, for people with so many clips."""
    return np.repeat(np.arange(len(counts)), counts)


def entropy(counts: list[int]) -> float:
    """H of the subject of a clip."""
    p = np.array(counts) / sum(counts)
    return float(-(p * np.log(p)).sum())


def trained(estimator: Estimator, draw: Draw, sizes: tuple[int, int], steps: int, lr: float) -> Critic:
    """A critic after `steps` steps of Adam on the estimator's own loss."""
    critic = Critic(*sizes, 32).double()
    start = stateless.initialise(critic, 3)
    critic.load_state_dict({name: value.double() for name, value in start.items()})
    state = {name: value.double() for name, value in estimator.initial().items()}
    optimiser = torch.optim.Adam(critic.parameters(), lr)
    for step in range(steps):
        m, z, weights = draw(step)
        loss, state = estimator.learn(critic(m, z), weights, state)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return critic


def reading(
    estimator: Estimator, scores: Callable[[Tensor, Tensor], Tensor], draw: Draw, batches: int
) -> float:
    """The mean estimate over some batches."""
    values = []
    with torch.no_grad():
        for step in range(10_000, 10_000 + batches):
            m, z, weights = draw(step)
            values.append(float(estimator.estimate(scores(m, z), weights)))
    return float(np.mean(values))

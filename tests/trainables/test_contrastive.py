"""Symmetric InfoNCE against a loop over pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from trainables.blocks.classification import cross_entropy
from trainables.quintuplet.losses.contrastive import info_nce
from trainables.quintuplet.losses.distance import unit


def by_loop(rgb: Tensor, flow: Tensor, emotion: list[int], temperature: float) -> float:
    def similarity(i: int, j: int) -> float:
        return math.exp(float(rgb[i] @ flow[j]) / temperature)

    total = 0.0
    for i in range(len(emotion)):
        others = [j for j in range(len(emotion)) if emotion[j] != emotion[i]]
        own = similarity(i, i)
        total -= math.log(own / (own + sum(similarity(i, j) for j in others)))
        total -= math.log(own / (own + sum(similarity(j, i) for j in others)))
    return total / (2 * len(emotion))


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_random_points_give_the_loss_of_a_loop(temperature: float) -> None:
    rgb, flow = unit(torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    emotion = [0, 1, 0, 2, 2, 0]
    expected = by_loop(rgb, flow, emotion, temperature)
    assert float(info_nce(rgb, flow, torch.tensor(emotion), temperature)) == pytest.approx(expected)


def test_two_clips_of_two_classes_placed_by_hand() -> None:
    axes = torch.eye(2, dtype=torch.float64)
    expected = -math.log(math.e / (math.e + 1))
    assert float(info_nce(axes, axes, torch.tensor([0, 1]), 1.0)) == pytest.approx(expected)


def test_a_batch_of_one_class_is_exactly_zero_with_a_zero_gradient() -> None:
    features = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss = info_nce(features[0], features[1], torch.zeros(4, dtype=torch.int64), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert features.grad is not None
    assert not features.grad.any()


def test_views_that_agree_across_classes_only_cost_more() -> None:
    axes = torch.eye(2, dtype=torch.float64)
    emotion = torch.tensor([0, 1])
    assert info_nce(axes, axes.flip(0), emotion, 0.5) > info_nce(axes, axes, emotion, 0.5)


def test_cross_entropy_gives_the_loss_of_a_loop() -> None:
    rng = torch.Generator().manual_seed(2)
    logits, weight = torch.randn(4, 3, generator=rng).double(), torch.rand(4, generator=rng).double()
    emotion, smoothing = [0, 2, 1, 2], 0.3
    total = 0.0
    for i, label in enumerate(emotion):
        z = sum(math.exp(float(x)) for x in logits[i])
        for j in range(3):
            target = (1 - smoothing) * (j == label) + smoothing / 3
            total -= float(weight[i]) * target * math.log(math.exp(float(logits[i, j])) / z)
    result = cross_entropy(logits, torch.tensor(emotion), weight, smoothing)
    assert float(result) == pytest.approx(total / float(weight.sum()))


def test_cross_entropy_without_weights_is_zero() -> None:
    assert float(cross_entropy(torch.randn(3, 2), torch.tensor([0, 1, 0]), torch.zeros(3), 0.1)) == 0

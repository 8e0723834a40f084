"""What the mask can be, and what its cross entropy wants it to be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mersearch.data.action_units import ACTION_UNITS
from mersearch.errors import ConfigError
from tests.trainables.clips import A
from trainables.blocks.clips import resize
from trainables.quintuplet.mnet import (
    MNet,
    action_unit_logits,
    action_unit_regions,
    grid,
    mask,
    mask_terms,
    shrink,
)

REGION = action_unit_regions(ACTION_UNITS, 14).double()
ONES = 20.0
"""Evidence of a mask that is 1 wherever it can be."""


def constant(value: float) -> Tensor:
    return torch.full((1, 2, A, 14, 14), value, dtype=torch.float64)


def loss(evidence: Tensor, present: Tensor) -> Tensor:
    logits = action_unit_logits(evidence, REGION, 2.0)
    emotion = torch.zeros(len(logits), dtype=torch.int64)
    return mask_terms(
        logits, torch.zeros(len(logits), 3), present, torch.ones(len(logits)), emotion, 1.0
    ).action_units


def one_unit() -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor([3]), A).double()


def test_the_mask_is_one_less_the_product_over_action_units() -> None:
    evidence = torch.randn(1, 2, A, 14, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    M = mask(evidence, REGION)
    for t, y, x in ((0, 3, 4), (1, 10, 7), (0, 0, 0)):
        product = 1.0
        for a in range(A):
            product *= 1 - float(REGION[a, y, x]) / (1 + math.exp(-float(evidence[0, t, a, y, x])))
        assert float(M[0, t, y, x]) == pytest.approx(1 - product, abs=1e-12)


@pytest.mark.parametrize("value", [-ONES, 0.0, ONES])
def test_the_mask_is_in_zero_to_one_and_zero_outside_all_regions(value: float) -> None:
    M = mask(constant(value), REGION)
    outside = REGION.amax(0) == 0
    assert 10 < int(outside.sum()) < 14 * 14
    assert float(M.min()) >= 0
    assert float(M.max()) <= 1
    assert not M[:, :, outside].any()


def test_resizing_keeps_the_mask_in_its_range_and_zero_where_its_neighbourhood_is() -> None:
    M = resize(mask(constant(ONES), REGION), 28)
    outside = resize((REGION.amax(0) > 0).double()[None, None], 28)[0, 0] == 0
    assert 0 <= float(M.min()) <= float(M.max()) <= 1
    assert not M[:, :, outside].any()


def test_a_mask_of_ones_costs_more_than_the_mask_of_the_annotation() -> None:
    present = one_unit()
    right = torch.where(present[:, None, :, None, None] > 0, constant(ONES), constant(-ONES))
    assert float(loss(right, present)) < 1e-6
    assert float(loss(constant(ONES), present)) > ONES * (A - 1) / A - 1e-6


def test_a_gradient_step_leaves_the_mask_of_ones() -> None:
    present, evidence = one_unit(), constant(ONES).requires_grad_()
    start = loss(evidence, present)
    (gradient,) = torch.autograd.grad(start, evidence)
    stepped = (evidence - 100 * gradient).detach()
    assert loss(stepped, present) < start
    inside = REGION > 0
    for a in range(A):
        if not present[0, a]:
            assert (gradient[0, :, a][:, inside[a]] > 0).all()
    assert mask(stepped, REGION).sum() < mask(evidence.detach(), REGION).sum()


def test_the_logit_of_constant_evidence_is_that_evidence() -> None:
    for sharpness in (0.1, 2.0, 30.0):
        logits = action_unit_logits(constant(1.7), REGION, sharpness)
        assert torch.allclose(logits, torch.full((1, A), 1.7, dtype=torch.float64))


def test_pooling_lies_between_mean_and_maximum_of_the_region() -> None:
    evidence = torch.randn(1, 2, A, 14, 14, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight = REGION / REGION.sum((1, 2), keepdim=True)
    mean = (evidence * weight).sum((3, 4)).mean(1)
    largest = torch.where(REGION > 0, evidence, -math.inf).amax((1, 3, 4))
    assert torch.allclose(action_unit_logits(evidence, REGION, 1e-6), mean, atol=1e-4)
    assert torch.allclose(action_unit_logits(evidence, REGION, 200.0), largest, atol=0.1)


def test_evidence_outside_the_region_of_an_action_unit_changes_nothing() -> None:
    outside = (REGION == 0).double()
    changed = constant(0.5) + 9 * outside
    assert torch.allclose(
        action_unit_logits(changed, REGION, 2.0), action_unit_logits(constant(0.5), REGION, 2.0)
    )


def test_a_clip_without_annotation_contributes_its_emotion_only() -> None:
    logits = torch.randn(2, A, generator=torch.Generator().manual_seed(2))
    emotion_logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    present, emotion = torch.zeros(2, A), torch.tensor([0, 0])
    both = mask_terms(logits, emotion_logits, present, torch.tensor([1.0, 0.0]), emotion, 3.0)
    first = mask_terms(logits[:1], emotion_logits[:1], present[:1], torch.ones(1), emotion[:1], 3.0)
    none = mask_terms(logits, emotion_logits, present, torch.zeros(2), emotion, 3.0)
    assert float(both.action_units) == pytest.approx(float(first.action_units))
    assert float(none.action_units) == 0
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(1))) / 2
    assert float(both.emotion) == pytest.approx(expected)


def test_the_binary_cross_entropy_is_that_of_a_loop() -> None:
    logits = torch.tensor([[0.3, -1.2]], dtype=torch.float64)
    present = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    terms = mask_terms(logits, torch.zeros(1, 2), present, torch.ones(1), torch.tensor([0]), 3.0)
    p = [1 / (1 + math.exp(-0.3)), 1 / (1 + math.exp(1.2))]
    assert float(terms.action_units) == pytest.approx(-(3 * math.log(p[0]) + math.log(1 - p[1])) / 2)


@pytest.mark.parametrize(
    ("size", "cells"), [(15, 8), (16, 8), (28, 14), (32, 16), (40, 20), (64, 16), (112, 19), (128, 16)]
)
def test_evidence_has_the_grid_of_the_regions(size: int, cells: int) -> None:
    assert grid(size) == cells
    net = MNet(3, A, 2)
    evidence = net([torch.zeros(1, 1, 3, size, size)])
    assert evidence.shape == (1, 1, A, cells, cells)
    assert size // shrink(size) <= 40


def test_an_action_unit_without_a_region_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a facial region") as caught:
        action_unit_regions((1, 99), 14)
    assert "99" in str(caught.value)

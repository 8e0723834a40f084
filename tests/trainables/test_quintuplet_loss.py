"""The quintuplet loss against a loop over quintuplets, on points placed by hand and at random."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.quintuplet.losses.distance import squared_distance, unit
from trainables.quintuplet.losses.quintuplet import Quintuplets, quintuplet_loss

SETTINGS: dict[str, Any] = {"margin_micro": 0.5, "margin_macro": 0.3, "alpha": 0.7, "cross": 0.0}


def d(a: Tensor, b: Tensor) -> float:
    return sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True))


def by_loop(q: Quintuplets, margin_micro: float, margin_macro: float, alpha: float, cross: float) -> float:
    assert q.macro_positive is not None
    assert q.macro_negative is not None
    assert q.macro_valid is not None
    micro, macro, mixed = [], [], []
    for i in range(len(q.anchor)):
        near, far = d(q.anchor[i], q.positive[i]), d(q.anchor[i], q.negative[i])
        macro_near, macro_far = d(q.anchor[i], q.macro_positive[i]), d(q.anchor[i], q.macro_negative[i])
        if q.micro_valid[i]:
            micro.append(max(0.0, near - far + margin_micro))
        if q.macro_valid[i]:
            macro.append(max(0.0, macro_near - macro_far + margin_macro))
        if q.micro_valid[i] and q.macro_valid[i]:
            mixed.append(
                max(0.0, near - macro_far + margin_macro) + max(0.0, macro_near - far + margin_macro)
            )
    means = [sum(terms) / len(terms) if terms else 0.0 for terms in (micro, macro, mixed)]
    return means[0] + alpha * means[1] + cross * means[2]


def random_quintuplets(Q: int = 7, D: int = 4, seed: int = 0) -> Quintuplets:
    rng = torch.Generator().manual_seed(seed)
    members = list(unit(torch.randn(5, Q, D, generator=rng, dtype=torch.float64)))
    valid = [(torch.rand(Q, generator=rng) < 0.6).double() for _ in range(2)]
    return Quintuplets.of(members, valid)


@pytest.mark.parametrize("cross", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_random_points_give_the_loss_of_a_loop(seed: int, cross: float) -> None:
    q, settings = random_quintuplets(seed=seed), {**SETTINGS, "cross": cross}
    assert float(quintuplet_loss(q, **settings)) == pytest.approx(by_loop(q, **settings), abs=1e-12)


def test_points_placed_by_hand() -> None:
    anchor = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    up, back = torch.tensor([[0.0, 1.0]]).double(), torch.tensor([[-1.0, 0.0]]).double()
    one = torch.ones(1, dtype=torch.float64)
    q = Quintuplets(anchor, up, back, one, back, up, one)
    # micro: 2 − 4 + 0.5 < 0; macro: 4 − 2 + 0.3
    assert float(quintuplet_loss(q, **SETTINGS)) == pytest.approx(0.7 * 2.3)
    # crossed: [2 − 2 + 0.3]₊ + [4 − 4 + 0.3]₊
    assert float(quintuplet_loss(q, **{**SETTINGS, "cross": 1.0})) == pytest.approx(0.7 * 2.3 + 0.6)


def test_without_macro_members_the_micro_triplet_is_left() -> None:
    q = random_quintuplets()
    triplet = Quintuplets.of([q.anchor, q.positive, q.negative], [q.micro_valid])
    expected = by_loop(q, **{**SETTINGS, "alpha": 0.0})
    assert float(quintuplet_loss(triplet, **{**SETTINGS, "cross": 3.0})) == pytest.approx(expected)


def test_identical_points_give_the_margins() -> None:
    point = torch.ones(1, 3, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    q = Quintuplets.of([point] * 5, [one, one])
    assert float(quintuplet_loss(q, **SETTINGS)) == pytest.approx(0.5 + 0.7 * 0.3)
    none = {**SETTINGS, "margin_micro": 0.0, "margin_macro": 0.0}
    assert float(quintuplet_loss(q, **none)) == 0


def test_masked_everywhere_is_exactly_zero_with_a_zero_gradient() -> None:
    members = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = quintuplet_loss(Quintuplets.of(list(members), [torch.zeros(4)] * 2), **{**SETTINGS, "cross": 1.0})
    loss.backward()
    assert loss.item() == 0
    assert members.grad is not None
    assert torch.equal(members.grad, torch.zeros_like(members))


def test_a_masked_quintuplet_receives_no_gradient() -> None:
    members = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    valid = torch.tensor([1.0, 0.0])
    quintuplet_loss(
        Quintuplets.of(list(members), [valid, valid]), margin_micro=4, margin_macro=4, alpha=1, cross=1
    ).backward()
    assert members.grad is not None
    assert members.grad[:, 0].abs().sum() > 0
    assert not members.grad[:, 1].any()


def test_unit_vectors_have_length_one_and_the_zero_vector_a_finite_gradient() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    unit(x).sum().backward()
    assert torch.allclose(unit(x).norm(dim=1), torch.tensor([1.0, 0.0]))
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_squared_distance_of_unit_vectors_is_two_minus_twice_the_cosine() -> None:
    a, b = unit(torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    assert torch.allclose(squared_distance(a, b), 2 - 2 * (a * b).sum(-1))

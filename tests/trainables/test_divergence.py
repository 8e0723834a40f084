"""The divergence loss of the attention heads against a loop and at special maps."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from trainables.disentangle.divergence import FLOOR, Similarity, overlap

BOTH: tuple[Similarity, ...] = ("hellinger", "cosine")


def random_maps(B: int = 3, H: int = 4, N: int = 6) -> Tensor:
    return torch.rand(B, H, N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def disjoint(H: int = 3, N: int = 9) -> Tensor:
    """Every head on cells of its own."""
    maps = torch.zeros(1, H, N, dtype=torch.float64)
    for head in range(H):
        maps[0, head, head * N // H : (head + 1) * N // H] = 1
    return maps


def by_loop(maps: Tensor, similarity: Similarity) -> list[float]:
    found = []
    for clip in maps.tolist():
        shares = [[(cell + FLOOR) / sum(c + FLOOR for c in head) for cell in head] for head in clip]
        alike = []
        for p, q in itertools.combinations(shares, 2):
            if similarity == "hellinger":
                distance = math.sqrt(
                    sum((math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in zip(p, q, strict=True)) / 2
                )
                alike.append(1 - distance**2)
            else:
                dot = sum(a * b for a, b in zip(p, q, strict=True))
                alike.append(dot / math.sqrt(sum(a * a for a in p) * sum(b * b for b in q)))
        found.append(sum(alike) / len(alike))
    return found


@pytest.mark.parametrize("similarity", BOTH)
@pytest.mark.parametrize("heads", [2, 4])
def test_random_maps_give_the_mean_over_pairs_of_a_loop(similarity: Similarity, heads: int) -> None:
    maps = random_maps(H=heads)
    assert overlap(maps, similarity).tolist() == pytest.approx(by_loop(maps, similarity))


@pytest.mark.parametrize("similarity", BOTH)
def test_identical_maps_are_one_and_disjoint_maps_about_nothing(similarity: Similarity) -> None:
    same = random_maps()[:, :1].expand(3, 4, 6)
    assert torch.allclose(overlap(same, similarity), torch.ones(3, dtype=torch.float64))
    assert 0 <= float(overlap(disjoint(), similarity)) < 3 * math.sqrt(FLOOR)


@pytest.mark.parametrize("similarity", BOTH)
def test_the_scale_of_a_map_does_not_count(similarity: Similarity) -> None:
    maps = random_maps()
    scaled = maps * torch.tensor([1.0, 5.0, 20.0, 100.0], dtype=torch.float64)[:, None]
    assert torch.allclose(overlap(scaled, similarity), overlap(maps, similarity), atol=1e-4)


@pytest.mark.parametrize("similarity", BOTH)
def test_one_head_is_exactly_zero_with_a_gradient_of_zero(similarity: Similarity) -> None:
    maps = random_maps(H=1).requires_grad_()
    value = overlap(maps, similarity)
    (gradient,) = torch.autograd.grad(value.sum(), maps)
    assert value.tolist() == [0, 0, 0]
    assert not gradient.any()


@pytest.mark.parametrize("similarity", BOTH)
def test_maps_of_zeros_are_the_worst_choice_and_no_minimiser(similarity: Similarity) -> None:
    zeros = torch.zeros(1, 3, 9, dtype=torch.float64)
    assert float(overlap(zeros, similarity)) == pytest.approx(1)
    assert float(overlap(disjoint(), similarity)) < float(overlap(random_maps(), similarity).min())
    one_gone = random_maps(B=1)
    one_gone[:, 0] = 0
    assert float(overlap(one_gone, similarity)) > float(overlap(disjoint(), similarity)) + 0.1


@pytest.mark.parametrize("similarity", BOTH)
def test_the_gradient_is_that_of_finite_differences(similarity: Similarity) -> None:
    maps = (random_maps(B=2, H=3, N=4) + 0.05).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: overlap(a, similarity), (maps,))


@pytest.mark.parametrize("similarity", BOTH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_stays_finite_where_maps_are_zero(similarity: Similarity, dtype: torch.dtype) -> None:
    for maps in (torch.zeros(1, 3, 9, dtype=dtype), disjoint().to(dtype)):
        leaf = maps.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(overlap(leaf, similarity).sum(), leaf)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("similarity", BOTH)
def test_going_down_the_gradient_drives_heads_apart(similarity: Similarity) -> None:
    logits = 0.1 * torch.randn(1, 2, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start = float(overlap(logits.softmax(-1), similarity))
    for _ in range(200):
        leaf = logits.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(overlap(leaf.softmax(-1), similarity).sum(), leaf)
        logits = leaf.detach() - 5 * gradient
    assert float(overlap(logits.softmax(-1), similarity)) < 0.3 < 0.9 < start

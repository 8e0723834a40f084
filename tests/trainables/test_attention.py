"""Attention pooling, normalisation, encoder and fusion against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mersearch import stateless
from trainables.blocks.attention import AttentionPooling, lattice
from trainables.blocks.clips import peak_map
from trainables.blocks.norm import ClipNorm
from trainables.blocks.stem import stem_layers
from trainables.quintuplet.encoder import Encoder
from trainables.quintuplet.fusion import GatedFusion
from trainables.quintuplet.settings import AttentionSettings


def pooling(C: int = 3, H: int = 2, T: int = 2, width: float = 0.3) -> AttentionPooling:
    pool = AttentionPooling(C, H, T, width).double()
    pool.load_state_dict({k: v.double() for k, v in stateless.initialise(pool, 1).items()})
    return pool


def tokens(B: int = 2, T: int = 2, h: int = 3, w: int = 4, C: int = 3) -> Tensor:
    return torch.randn(B, T, h, w, C, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_pooling_is_the_weighted_mean_of_a_loop() -> None:
    pool, x = pooling(), tokens()
    pooled, attention = pool(x)
    centre = lattice(2, x) + 0.1 * pool.shift
    B, T, h, w, C = x.shape
    with torch.no_grad():
        for b in range(B):
            for head in range(2):
                scores = {}
                for t in range(T):
                    for i in range(h):
                        for j in range(w):
                            dx = (j + 0.5) / w - float(centre[head, 0])
                            dy = (i + 0.5) / h - float(centre[head, 1])
                            spread = 0.3 * math.exp(0.3 * float(pool.log_width[head, 0]))
                            scores[t, i, j] = (
                                float(pool.query[head] @ x[b, t, i, j]) / math.sqrt(C)
                                - (dx * dx + dy * dy) / (2 * spread**2)
                                + float(pool.time[head, t])
                            )
                total = sum(math.exp(score) for score in scores.values())
                mean = sum(math.exp(score) / total * x[b, t, i, j] for (t, i, j), score in scores.items())
                assert torch.allclose(pooled[b, head], mean)
                assert float(attention[b, head, 1, 5]) == pytest.approx(math.exp(scores[1, 1, 1]) / total)


def test_attention_sums_to_one_over_time_and_space() -> None:
    _, attention = pooling()(tokens())
    assert torch.allclose(attention.sum((2, 3)), torch.ones(2, 2, dtype=torch.float64))


def test_equal_tokens_are_pooled_to_themselves() -> None:
    pooled, _ = pooling()(torch.full((1, 2, 3, 4, 3), 0.7, dtype=torch.float64))
    assert torch.allclose(pooled, torch.full_like(pooled, 0.7))


@pytest.mark.parametrize("heads", [1, 2, 3, 5, 16, 17])
def test_the_lattice_is_inside_the_picture_distinct_and_mirror_symmetric(heads: int) -> None:
    points = lattice(heads, torch.zeros(1, dtype=torch.float64))
    rounded = {(round(float(x), 6), round(float(y), 6)) for x, y in points}
    assert len(rounded) == heads
    assert ((points > 0) & (points < 1)).all()
    assert {(round(1 - x, 6), y) for x, y in rounded} == rounded


def test_clip_norm_is_over_frames_channels_and_pixels_of_one_clip() -> None:
    x = 5 + 3 * torch.randn(2 * 3, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = ClipNorm(4).double()(x, 3).reshape(2, -1)
    assert torch.allclose(y.mean(1), torch.zeros(2, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(y.var(1, unbiased=False), torch.ones(2, dtype=torch.float64), atol=1e-4)


def test_a_still_frame_stays_still_beside_a_moving_one() -> None:
    x = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    x[0] *= 0.01
    y = ClipNorm(1)(x, 2).detach()
    assert float(y[0].std()) < 0.05 * float(y[1].std())


@pytest.mark.parametrize(
    ("size", "layers"), [(8, 1), (16, 1), (28, 2), (32, 2), (40, 2), (64, 3), (112, 4), (128, 4)]
)
def test_the_stem_brings_every_size_to_a_small_grid(size: int, layers: int) -> None:
    assert stem_layers(size) == layers
    with torch.device("meta"):
        encoder = Encoder(size, 1, 4, 6, AttentionSettings(heads=2))
        feature, attention = encoder(torch.zeros(2, 1, 3, size, size))
    assert feature.shape == (2, 6)
    assert 4 <= attention.shape[-1] <= 10


def test_the_gate_can_ignore_a_view() -> None:
    fusion = GatedFusion(3, 0.0)
    flow, rgb = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fusion(flow, rgb), (flow + rgb) / 2)
    with torch.no_grad():
        fusion.bias.fill_(40.0)
    assert torch.allclose(fusion(flow, rgb), flow)
    with torch.no_grad():
        fusion.bias.fill_(-40.0)
    assert torch.allclose(fusion(flow, rgb), rgb)


def test_the_gate_starts_at_its_prior() -> None:
    assert torch.allclose(GatedFusion(2, 1.0).gate(), torch.full((2,), 1 / (1 + math.exp(-1))))


def test_a_map_of_attention_peaks_at_one() -> None:
    attention = torch.rand(3, 7, 7, generator=torch.Generator().manual_seed(0))
    maps = peak_map(attention / attention.sum(), 14)
    assert maps.shape == (3, 14, 14)
    assert float(maps.min()) >= 0
    assert 0.5 < float(maps.amax((1, 2)).min()) <= float(maps.max()) <= 1

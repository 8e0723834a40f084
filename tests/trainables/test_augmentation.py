"""Mirrors, shifts and scales of clips; which frames are used; the motion of the head."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainables.blocks.augmentation import augment, mirror, warp
from trainables.blocks.clips import apply_mask, positions, views_of, without_head_motion
from trainables.quintuplet.settings import AugmentationSettings

KEY = torch.tensor(3)


def clips(B: int = 6, T: int = 2, size: int = 8) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(0)
    shape = (B, T, 3, size, size)
    return {name: torch.randn(shape, generator=rng, dtype=torch.float64) for name in ("rgb", "flow")}


def settings(**changes: float) -> AugmentationSettings:
    off = {"flip": False, "shift": 0.0, "brightness": 0.0, "magnitude": 0.0}
    return AugmentationSettings(**{**off, **changes})  # type: ignore[arg-type]


def test_a_mirror_swaps_sides_and_changes_the_sign_of_u_only() -> None:
    views = clips()
    seen = mirror(views)
    assert torch.equal(seen["rgb"], views["rgb"].flip(-1))
    assert torch.equal(seen["flow"][:, :, 0], -views["flow"][:, :, 0].flip(-1))
    assert torch.equal(seen["flow"][:, :, 1:], views["flow"][:, :, 1:].flip(-1))
    assert all(torch.equal(mirror(seen)[name], views[name]) for name in views)


def test_without_any_strength_nothing_changes() -> None:
    views = clips()
    same = augment(views, settings(), KEY, torch.tensor(0), 0)
    assert all(torch.equal(same[name], views[name]) for name in views)


def test_flips_take_about_half_of_the_clips_whole_with_both_views() -> None:
    views = clips(B=200)
    changed, mirrored = augment(views, settings(flip=True), KEY, torch.tensor(0), 0), mirror(views)

    def is_like(other: dict[str, Tensor], name: str) -> Tensor:
        return torch.isclose(changed[name], other[name], atol=1e-12).flatten(1).all(1)

    flipped, kept = is_like(mirrored, "rgb"), is_like(views, "rgb")
    assert torch.equal(flipped, ~kept)
    assert torch.equal(is_like(mirrored, "flow"), flipped)
    assert 70 < int(flipped.sum()) < 130


def test_a_shift_of_whole_pixels_moves_the_picture_and_repeats_the_edge() -> None:
    clip = clips(B=1)["rgb"]
    size = clip.shape[-1]
    moved = warp(clip, torch.ones(1, dtype=clip.dtype), torch.tensor([[2 / size * 2, 0.0]], dtype=clip.dtype))
    assert torch.allclose(moved[..., :-2], clip[..., 2:])
    assert torch.allclose(moved[..., -2:], clip[..., -1:].expand_as(moved[..., -2:]))


def test_shifts_stay_within_their_limit() -> None:
    ramp = torch.linspace(0, 1, 64, dtype=torch.float64).expand(50, 1, 3, 64, 64)
    moved = augment({"rgb": ramp}, settings(shift=0.1), KEY, torch.tensor(0), 0)["rgb"]
    difference = (moved - ramp)[..., 16:-16].abs()
    assert 0.05 < float(difference.amax()) < 0.1 * 64 / 63 + 1e-9


def test_magnitude_scales_the_flow_and_brightness_the_frames() -> None:
    views = clips(B=40)
    changed = augment(views, settings(magnitude=0.3), KEY, torch.tensor(0), 0)
    assert torch.equal(changed["rgb"], views["rgb"])
    ratio = changed["flow"] / views["flow"]
    per_clip = ratio[:, :1, :1, :1, :1]
    assert torch.allclose(ratio, per_clip.expand_as(ratio))
    assert 0.7 <= float(per_clip.min()) < 0.8
    assert 1.2 < float(per_clip.max()) <= 1.3
    bright = augment(views, settings(brightness=0.2), KEY, torch.tensor(0), 0)
    assert torch.equal(bright["flow"], views["flow"])
    x, y = views["rgb"][:, 0, 0, 0], bright["rgb"][:, 0, 0, 0]
    gain = (y[:, 0] - y[:, 1]) / (x[:, 0] - x[:, 1])
    assert ((gain > 0.8 - 1e-9) & (gain < 1.2 + 1e-9)).all()
    level = y[:, 0] - gain * x[:, 0]
    assert (level.abs() < 0.2 + 1e-9).all()


def test_draws_depend_on_key_and_step_and_differ_between_clips() -> None:
    views = {"flow": torch.ones(5, 1, 3, 4, 4)}
    draws = [
        augment(views, settings(magnitude=0.5), torch.tensor(key), torch.tensor(step), 0)["flow"][
            :, 0, 1, 0, 0
        ]
        for key, step in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[3])
    assert len(set(draws[0].tolist())) == 5


@pytest.mark.parametrize("available", [2, 5, 8, 16, 24])
def test_positions_are_distinct_frames_after_the_onset(available: int) -> None:
    for used in range(1, available):
        found = positions(available, used)
        assert found == sorted(set(found))
        assert len(found) == used
        assert 1 <= found[0] <= found[-1] <= available - 1


def test_a_part_of_a_macro_clip_ends_where_it_ends() -> None:
    assert max(positions(9, 8, 0.5)) == 4
    assert positions(1, 1, 0.3) == [0]


def test_differences_refer_to_the_onset_frame() -> None:
    batch = {"micro.rgb": torch.rand(2, 3, 5, 4, 4, dtype=torch.float64)}
    index = torch.tensor([2, 4])
    shown = views_of(batch, "micro", ("rgb",), index, "difference", "raw")["rgb"]
    rgb = batch["micro.rgb"]
    assert torch.allclose(shown[:, 1, 2], 4 * (rgb[:, 2, 4] - rgb[:, 2, 0]))
    frames = views_of(batch, "micro", ("rgb",), index, "frames", "raw")["rgb"]
    assert torch.allclose(frames[:, 0, 1], 2 * rgb[:, 1, 2] - 1)


def test_a_still_clip_is_zero_as_a_difference_and_a_single_frame_is_shown() -> None:
    still = {"micro.rgb": torch.rand(1, 3, 1, 4, 4).expand(1, 3, 3, 4, 4)}
    assert not views_of(still, "micro", ("rgb",), torch.tensor([1, 2]), "difference", "raw")["rgb"].any()
    one = {"micro.rgb": still["micro.rgb"][:, :, :1]}
    assert views_of(one, "micro", ("rgb",), torch.tensor([0]), "difference", "raw")["rgb"].any()


def test_the_motion_of_the_head_is_taken_away_and_local_motion_stays() -> None:
    flow = torch.zeros(1, 3, 2, 28, 28, dtype=torch.float64)
    flow[:, 2] = 0.2
    local = flow.clone()
    local[:, 1, :, 18:22, 8:12] = 0.5
    head = torch.tensor([0.3, -0.1, 0.0], dtype=torch.float64)[None, :, None, None, None]
    assert torch.allclose(without_head_motion(local + head), local)


def test_the_mask_multiplies_down_to_the_floor() -> None:
    views = clips(B=1, T=1, size=4)
    mask = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    mask[..., 0, 0] = 1
    masked = apply_mask(views, mask, 0.25)
    for name, clip in views.items():
        assert torch.equal(masked[name][..., 0, 0], clip[..., 0, 0])
        assert torch.allclose(masked[name][..., 1:, :], 0.25 * clip[..., 1:, :])
    assert all(torch.equal(apply_mask(views, mask, 1.0)[name], clip) for name, clip in views.items())

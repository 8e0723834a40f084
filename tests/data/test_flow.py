from __future__ import annotations

import cv2
import numpy as np
import pytest
from frame_files import grid, texture
from numpy.typing import NDArray

from mersearch.data.flow import features, optical_flow, quantise

SIZE = 112
INNER = np.s_[..., 16:-16, 16:-16]
"""Points whose surroundings are in both pictures."""


def moved(
    linear: NDArray[np.float64], shift: tuple[float, float]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture, and the same with every point x at c + linear (x − c) + shift, c the centre."""
    points = grid(SIZE, SIZE)
    centre = np.full((2, 1, 1), SIZE / 2)
    source = (
        np.einsum("ij,jyx->iyx", np.linalg.inv(linear), points - centre - np.reshape(shift, (2, 1, 1)))
        + centre
    )
    return texture(points), texture(source)


def linear_flow(a: float, b: float, c: float, d: float) -> NDArray[np.float32]:
    """u = a x + b y, v = c x + d y on a grid of 48 × 48."""
    x, y = grid(48, 48)
    return np.stack([a * x + b * y, c * x + d * y]).astype(np.float32)


@pytest.mark.parametrize("shift", [(0.3, 0.0), (0.0, 0.3), (-0.6, 0.35), (1.5, -2.25)])
def test_a_known_shift_is_measured_with_its_sign(shift: tuple[float, float]) -> None:
    flow = optical_flow(*moved(np.eye(2), shift))
    # Rounding to 8 bits is noise of 0.29 grey levels in each picture. A patch of 8 × 8 points with gradients of
    # about 6 levels per pixel leaves 0.29 √2 / (6 · 8) ≈ 0.01 px; linear interpolation adds a few times that.
    error = np.abs(flow - np.reshape(shift, (2, 1, 1)))[INNER]
    assert error.mean() < 0.03
    assert np.quantile(error, 0.99) < 0.1


def test_a_still_pair_has_no_flow() -> None:
    still, _ = moved(np.eye(2), (0, 0))
    assert np.abs(optical_flow(still, still)).max() < 1e-3


def test_flow_does_not_depend_on_what_was_measured_before() -> None:
    first, second = moved(np.eye(2), (1.0, 0.5))
    alone = optical_flow(first, second)
    optical_flow(second, first)
    assert np.array_equal(optical_flow(first, second), alone)


@pytest.mark.parametrize(
    ("a", "b", "c", "d"),
    [(0, 0.02, 0, 0), (0, 0, 0.02, 0), (0.03, 0, 0, -0.01), (0.01, 0.02, -0.005, 0.03)],
)
def test_strain_of_a_linear_motion_is_its_closed_form(a: float, b: float, c: float, d: float) -> None:
    strain = features(linear_flow(a, b, c, d), 12, 128)[2]
    np.testing.assert_allclose(strain, np.sqrt(a**2 + d**2 + (b + c) ** 2 / 2), rtol=1e-4)


def test_a_rotation_and_a_shift_have_no_strain() -> None:
    turn = linear_flow(0, -0.02, 0.02, 0) + np.float32(1.5)
    assert features(turn, 12, 128)[2].max() < 1e-5


def test_strain_of_a_measured_shear_is_its_closed_form() -> None:
    shear = 0.04
    flow = optical_flow(*moved(np.array([[1, shear], [0, 1]]), (0, 0)))
    strain = features(flow, 14, 128)[2, 3:-3, 3:-3]
    assert strain.mean() == pytest.approx(shear / np.sqrt(2), rel=0.05)


def test_flow_is_averaged_over_cells_and_counted_at_the_face_size() -> None:
    rng = np.random.default_rng(0)
    flow = rng.normal(size=(2, 64, 64)).astype(np.float32)
    expected = flow.reshape(2, 16, 4, 16, 4).mean(axis=(2, 4)) * (128 / 64)
    np.testing.assert_allclose(features(flow, 16, 128)[:2], expected, atol=1e-5)


def test_steps_of_storage_are_a_127th_of_the_scale_and_clip_at_it() -> None:
    values = np.array(
        [[-9, -3, 0, 1.5, 3], [0, 0.01, -0.013, 2.99, 99], [0, 0.1, 0.25, 0.3, 9]], dtype=np.float32
    )
    stored = quantise(values, 3.0, 0.25)
    assert stored.dtype == np.int8
    scale = np.array([[3.0], [3.0], [0.25]])
    limited = np.clip(values, -scale, scale)
    assert np.all(np.abs(stored * scale / 127 - limited) <= scale / 254 + 1e-6)
    assert stored.min() == -127
    assert stored.max() == 127


def test_the_flow_of_a_pair_does_not_depend_on_what_was_measured_before() -> None:
    pair, other = moved(np.eye(2), (0.7, 0.2)), moved(np.eye(2), (-2.0, 1.0))
    alone = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    alone.setFinestScale(0)
    fresh = alone.calc(*pair, np.zeros((SIZE, SIZE, 2), np.float32))
    optical_flow(*other)
    optical_flow(*(np.ascontiguousarray(image[:64, :64]) for image in other))
    for _ in range(2):
        assert np.array_equal(optical_flow(*pair), np.moveaxis(fresh, -1, 0))

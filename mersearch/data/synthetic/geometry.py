"""The coordinates of the face and the crop that counts as the aligned face.

Face units: the origin lies between the eyes, x grows to the viewer's right (the subject's left), y grows downwards,
and the aligned face is two units wide. "Pixels at 128" are pixels after that crop is resized to 128×128.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LEFT, RIGHT = -1.0, 1.0
TOP, BOTTOM = -0.88, 1.55
"""The aligned crop, as high over wide as in CASME II (≈ 340/280)."""

PIXELS = np.array([128.0 / (RIGHT - LEFT), 128.0 / (BOTTOM - TOP)], dtype=np.float32)
"""Pixels at 128 per face unit, along x and along y."""


def grid(width: int, height: int) -> tuple[Array, Array]:
    """Face coordinates x, y [height, width] of the pixel centres of the aligned crop."""
    x = LEFT + (np.arange(width, dtype=np.float32) + 0.5) * (RIGHT - LEFT) / width
    y = TOP + (np.arange(height, dtype=np.float32) + 0.5) * (BOTTOM - TOP) / height
    columns, rows = np.meshgrid(x, y)
    return columns.astype(np.float32), rows.astype(np.float32)


def smoothstep(value: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, a cubic in between; `low > high` turns it round."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def bump(x: Array, y: Array, cx: float, cy: float, sx: float, sy: float) -> Array:
    """A Gaussian of height 1 at (cx, cy)."""
    return np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)).astype(np.float32)

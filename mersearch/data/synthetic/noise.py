"""Smooth random textures."""

from __future__ import annotations

import cv2
import numpy as np

from mersearch.data.synthetic.geometry import Array


def clouds(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Array:
    """Gaussian noise [H, W] with correlation length `sigma` pixels, mean 0 and standard deviation 1."""
    step = max(1, int(sigma / 2))
    small = (shape[0] // step + 4, shape[1] // step + 4)
    coarse = cv2.GaussianBlur(rng.standard_normal(small, dtype=np.float32), (0, 0), max(sigma / step, 0.3))
    field = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def strands(rng: np.random.Generator, across: Array, along: Array, fine: float) -> Array:
    """Hair [H, W] in about −1…1: noise fast over `across` (`fine` strands per unit) and slow over `along`."""
    sheet = cv2.GaussianBlur(rng.standard_normal((64, 512), dtype=np.float32), (0, 0), sigmaX=0.8, sigmaY=3.0)
    level = 0.5 / float(sheet.std())
    columns = np.abs(np.mod(across * fine, 1020.0) - 510.0).astype(np.float32)
    rows = np.abs(np.mod(along * 12.0, 124.0) - 62.0).astype(np.float32)
    return np.asarray(level * cv2.remap(sheet, columns, rows, cv2.INTER_LINEAR), dtype=np.float32)

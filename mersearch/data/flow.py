"""Optical flow from the onset to another frame, its strain, and how both are stored.

Signs: u > 0 is a motion to the right of the image, v > 0 a motion down.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def optical_flow(onset: NDArray[np.uint8], frame: NDArray[np.uint8]) -> Floats:
    """Displacement of every point of `onset` (uint8 [S, S], grey) in `frame`: float32 [2, S, S], (u, v) in pixels.

    Dense inverse search (Kroeger et al., 2016), preset medium, refined down to the full resolution: the presets
    stop at a coarser one, where local motion of a pixel is lost.
    """
    start = np.zeros((*onset.shape, 2), dtype=np.float32)  # an array of this shape is the first guess
    return np.ascontiguousarray(np.moveaxis(_search().calc(onset, frame, start), -1, 0), dtype=np.float32)


@functools.cache
def _search() -> cv2.DISOpticalFlow:
    """One per process: it keeps its buffers from call to call, and nothing else."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    return search


def features(flow: Floats, size: int, face_size: int) -> Floats:
    """u, v and optical strain of a flow [2, S, S] on a coarser grid: float32 [3, size, size].

    u and v are averaged over the area of a cell and counted in pixels of a face `face_size` wide. Strain is

        ε = sqrt(u_x² + v_y² + ½ (u_y + v_x)²),

    the Frobenius norm of the symmetric part of the motion's gradient (Shreve et al., 2011). It has no unit.
    Its three terms are central differences at the resolution of `flow`, averaged over the cell before the norm
    is taken: noise of either sign then cancels instead of adding up.
    """
    u, v = flow
    u_y, u_x = np.gradient(u)
    v_y, v_x = np.gradient(v)
    u_x, v_y, shear = (shrink(term, size) for term in (u_x, v_y, u_y + v_x))
    strain = np.sqrt(u_x**2 + v_y**2 + 0.5 * shear**2)
    pixels = face_size / flow.shape[-1]
    return np.stack([shrink(u, size) * pixels, shrink(v, size) * pixels, strain]).astype(np.float32)


def shrink(grid: Floats, size: int) -> Floats:
    """Averages of a grid [S, S] over the areas of `size` × `size` cells."""
    return np.asarray(cv2.resize(grid, (size, size), interpolation=cv2.INTER_AREA), dtype=np.float32)


def quantise(values: Floats, flow_scale: float, strain_scale: float) -> NDArray[np.int8]:
    """Features [3, …] as int8: ±127 is ±`flow_scale` for u and v and `strain_scale` for strain, clipped there."""
    scale = np.array([flow_scale, flow_scale, strain_scale], dtype=np.float32)
    shares = values / scale.reshape(3, *[1] * (values.ndim - 1))
    steps: NDArray[np.int8] = np.rint(np.clip(shares, -1, 1) * 127).astype(np.int8)
    return steps

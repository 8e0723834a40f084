"""Eyes: the ball seen through the opening of the lids, which blink, widen and tighten."""

from __future__ import annotations

import math

import numpy as np

from mersearch.data.synthetic.geometry import Array, bump, smoothstep
from mersearch.data.synthetic.identity import Identity


def lid_coordinates(person: Identity, x: Array, y: Array) -> tuple[Array, Array]:
    """Place in the nearer eye: u across (−1 inner … 1 outer corner), v down (face units, eye turned level)."""
    side = np.abs(x) - person.eye_x
    cos, sin = math.cos(person.eye_tilt), math.sin(person.eye_tilt)
    across = (side * cos - y * sin) / person.eye_width
    return np.asarray(across, dtype=np.float32), np.asarray(side * sin + y * cos, dtype=np.float32)


def upper_edge(person: Identity, u: Array) -> Array:
    """Height v of the edge of the open upper lid."""
    arch = np.maximum(0.0, 1.0 - np.abs(u + 0.12) ** 2.2 / 1.25)
    return np.asarray(
        -1.15 * person.eye_height * np.minimum(arch, np.maximum(0.0, 1.0 - u**2) ** 0.6), np.float32
    )


def lower_edge(person: Identity, u: Array) -> Array:
    """Height v of the edge of the lower lid."""
    return np.asarray(0.78 * person.eye_height * np.maximum(0.0, 1.0 - u**2) ** 0.8, dtype=np.float32)


def paint_eyes(person: Identity, x: Array, y: Array) -> Array:
    """The eyeballs [H, W, 3] in 0…1, as if no lid covered them."""
    side = np.abs(x) - person.eye_x
    u, v = lid_coordinates(person, x, y)
    radius = np.hypot(side, y + 0.012)
    white = np.array([0.86, 0.83, 0.80], dtype=np.float32) - 0.22 * person.skin * 0.3
    out = np.ones((*x.shape, 3), np.float32) * white
    out *= (1.0 - 0.25 * np.abs(u) ** 3)[..., None]
    out[..., 1:] -= (0.10 * smoothstep(u, -0.75, -1.0))[..., None]
    angle = np.arctan2(y, side)
    rays = 0.82 + 0.18 * np.sin(23.0 * angle + 3.0 * np.sin(5.0 * angle))
    ring = 1.0 - 0.55 * smoothstep(radius, 0.052, 0.072)
    iris = np.array(person.iris, np.float32) * (rays * ring)[..., None] * 1.15
    mask = smoothstep(radius, 0.078, 0.068)[..., None]
    out = out * (1.0 - mask) + iris * mask
    out *= (1.0 - 0.95 * smoothstep(radius, 0.034, 0.026))[..., None]
    shadow = smoothstep(v - upper_edge(person, u), -0.005, 0.05)
    out *= (0.62 + 0.38 * shadow)[..., None]
    catch = bump(x, y, -person.eye_x - 0.022, -0.034, 0.011, 0.011)
    catch = catch + bump(x, y, person.eye_x - 0.022, -0.034, 0.011, 0.011)
    return np.asarray(np.clip(out + 0.8 * catch[..., None], 0.0, 1.0), dtype=np.float32)


def opening(
    person: Identity, x: Array, y: Array, openness: float, raise_: float, softness: float
) -> tuple[Array, Array]:
    """How much of the eyeball and of the lashes each point shows.

    Args:
        person: whose eyes.
        x: across, in the neutral face.
        y: down, in the neutral face.
        openness: 1 at rest, 0 closed; a blink.
        raise_: the upper lid goes up by this, in face units (action unit 5).
        softness: width of the soft edge, in face units.

    Returns:
        Masks [H, W] in 0…1: eyeball, lashes.
    """
    u, v = lid_coordinates(person, x, y)
    low = lower_edge(person, u)
    inside = np.maximum(0.0, 1.0 - u**2)
    top = upper_edge(person, u) - raise_ * inside
    top = low + (top - low) * openness + 0.004
    ball = smoothstep(v - top, -softness, softness) * smoothstep(low - v, -softness, softness)
    ball *= smoothstep(np.abs(u), 1.0, 0.93)
    lash = np.exp(-(((v - top + 0.006) / (0.011 + 0.5 * softness)) ** 2)) * smoothstep(np.abs(u), 1.12, 0.9)
    thin = np.exp(-(((v - low) / (0.006 + 0.5 * softness)) ** 2)) * smoothstep(np.abs(u), 1.0, 0.7)
    return np.asarray(ball, np.float32), np.asarray(0.85 * lash + 0.2 * thin, np.float32)

"""Paints what surrounds the face: hair, ears, neck, clothes and the wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic.eyes import paint_eyes
from mersearch.data.synthetic.geometry import Array, smoothstep
from mersearch.data.synthetic.identity import Identity
from mersearch.data.synthetic.noise import clouds, strands
from mersearch.data.synthetic.relief import half_width
from mersearch.data.synthetic.skin import paint_skin, tone

Area = tuple[float, float, float]
"""A part of the world, in face units: |x| below the first number, y from the second to the third."""


@dataclass(frozen=True, slots=True)
class Layers:
    """A painted person.

    Attributes:
        skin: everything with closed lids and lips, float32 [H, W, 3] in 0…1.
        eyes: the eyeballs alone, same shape.
        scale: pixels per face unit.
        area: what is painted.
    """

    skin: Array
    eyes: Array
    scale: float
    area: Area

    def place(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Columns and rows of the picture at face coordinates x, y."""
        columns = ((x + self.area[0]) * self.scale - 0.5).astype(np.float32)
        return columns, ((y - self.area[1]) * self.scale - 0.5).astype(np.float32)


def paint(person: Identity, scale: float, area: Area) -> Layers:
    """Paint a person at `scale` pixels per face unit."""
    rng = seeds.generator("synthetic", "paint", person.texture)
    edge, top, bottom = area
    width, height = round(2 * edge * scale), round((bottom - top) * scale)
    x, y = np.meshgrid(
        ((np.arange(width) + 0.5) / scale - edge).astype(np.float32),
        ((np.arange(height) + 0.5) / scale + top).astype(np.float32),
    )
    wall = _wall(person, x, y, rng)
    out = _neck(person, x, y, _back_hair(person, x, y, wall, rng))
    side = np.abs(x)
    ear = _ellipse(side, y, person.cheek_width + 0.02, 0.22, 0.10, 0.26)
    out = _over(out, tone(person) * (0.62 + 0.18 * smoothstep(side, 0.8, 1.0))[..., None], ear)
    face = smoothstep(half_width(person, y) - side, 0.0, 0.024)
    out = _over(out, paint_skin(person, x, y, scale, rng), face)
    out = _front_hair(person, x, y, out, rng)
    return Layers(np.clip(out, 0.0, 1.0).astype(np.float32), paint_eyes(person, x, y), scale, area)


def _over(under: Array, colour: Array, alpha: Array) -> Array:
    return np.asarray(under + (colour - under) * alpha[..., None], dtype=np.float32)


def _ellipse(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    return smoothstep(np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2), 1.05, 0.95)


def _wall(person: Identity, x: Array, y: Array, rng: np.random.Generator) -> Array:
    level = 0.34 + 0.22 * float(rng.random())
    shade = level * (1.0 - 0.06 * x - 0.05 * y) + 0.01 * clouds(rng, (x.shape[0], x.shape[1]), 40.0)
    tint = np.array([1.0, 1.0 + 0.02 * person.redness, 1.03], np.float32)
    return np.asarray(shade[..., None] * tint, dtype=np.float32)


def _hair_colour(person: Identity, x: Array, y: Array, rng: np.random.Generator) -> Array:
    cx, cy = person.hair_part, -1.25
    angle = np.arctan2(x - cx, np.maximum(y - cy, -0.4) + 1.1)
    away = np.hypot(x - cx, y - cy)
    streak = strands(rng, 4.0 * angle + 9.0, away + 2.0, 60.0)
    shine = np.exp(-(((away - 0.45) / 0.22) ** 2))
    level = 1.0 + 0.22 * streak + 0.9 * shine * (0.6 + 0.3 * streak) - 0.25 * smoothstep(np.abs(x), 0.6, 1.2)
    return np.asarray(np.array(person.hair, np.float32) * np.maximum(level, 0.2)[..., None], dtype=np.float32)


def _back_hair(person: Identity, x: Array, y: Array, under: Array, rng: np.random.Generator) -> Array:
    bottom = 0.1 + person.hair_length
    wide = person.cheek_width + 0.10 + 0.12 * min(person.hair_length, 1.0) * smoothstep(y, -0.5, 0.8)
    cap = smoothstep(np.hypot(x / (person.cheek_width + 0.14), (y + 0.32) / 1.12), 1.03, 0.98)
    fall = smoothstep(wide - np.abs(x), -0.02, 0.03) * smoothstep(y, bottom + 0.06, bottom - 0.06)
    mask = np.maximum(cap * smoothstep(y, 0.25, 0.0), fall * smoothstep(y, -0.4, -0.2))
    return _over(under, _hair_colour(person, x, y, rng) * 0.75, mask)


def _front_hair(person: Identity, x: Array, y: Array, under: Array, rng: np.random.Generator) -> Array:
    edge = person.hair_line + 0.42 * (np.abs(x) / 0.85) ** 3.2
    edge = (
        edge
        + 0.025 * np.cos(6.0 * (x - person.hair_part))
        + 0.012 * clouds(rng, (x.shape[0], x.shape[1]), 5.0)
    )
    cap = smoothstep(np.hypot(x / (person.cheek_width + 0.14), (y + 0.32) / 1.12), 1.03, 0.98)
    streak = strands(rng, 3.0 * x + 9.0, y + 3.0, 70.0)
    front = cap * smoothstep(edge - y + 0.03 * streak, -0.05, 0.09)
    temple = smoothstep(np.abs(x), 0.80, 0.86) * smoothstep(y, -0.45, -0.6) * cap
    locks = smoothstep(np.abs(x), person.cheek_width - 0.02, person.cheek_width + 0.04) * cap
    locks = locks * smoothstep(y, 0.12, -0.1)
    mask = np.maximum(np.maximum(front, temple), locks * (0.3 + 0.7 * float(person.hair_length > 0.1)))
    shadow = smoothstep(edge - y + 0.10, -0.05, 0.10) * cap
    return _over(under * (1.0 - 0.22 * shadow)[..., None], _hair_colour(person, x, y, rng), mask)


def _neck(person: Identity, x: Array, y: Array, under: Array) -> Array:
    side = np.abs(x)
    wide = 0.48 + 0.10 * smoothstep(y, 1.5, 2.2)
    mask = smoothstep(wide - side, -0.02, 0.04) * smoothstep(y, 0.7, 0.8)
    round_ = 0.80 - 0.30 * (side / 0.6) ** 2 - 0.35 * smoothstep(y, person.chin_y + 0.35, person.chin_y)
    out = _over(under, tone(person) * np.maximum(round_, 0.2).astype(np.float32)[..., None], mask)
    collar = 1.85 + 0.12 * np.cos(np.minimum(side, 0.6) / 0.6 * np.pi)
    shoulder = 1.75 + 0.75 * smoothstep(side, 0.4, 2.4)
    cloth = smoothstep(y - np.maximum(shoulder, collar - 0.4 * smoothstep(side, 0.4, 0.7)), -0.02, 0.03)
    cloth_colour: Array = np.array([0.22, 0.24, 0.30], np.float32) + 0.35 * person.lip_colour
    shaded = np.asarray(cloth_colour * (1.0 - 0.1 * side)[..., None], dtype=np.float32)
    return _over(out, shaded, cloth)

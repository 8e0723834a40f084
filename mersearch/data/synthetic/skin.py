"""Paints the neutral face with closed lids and lips: skin, brows, lips, shading."""

from __future__ import annotations

import numpy as np

from mersearch.data.synthetic.eyes import lid_coordinates, upper_edge
from mersearch.data.synthetic.geometry import Array, bump, smoothstep
from mersearch.data.synthetic.identity import Identity
from mersearch.data.synthetic.mouth import line
from mersearch.data.synthetic.noise import clouds, strands
from mersearch.data.synthetic.relief import light, relief

_TONES = np.array([[0.93, 0.77, 0.68], [0.86, 0.68, 0.55], [0.68, 0.48, 0.36], [0.42, 0.28, 0.21]])


def tone(person: Identity) -> Array:
    """Colour of the skin [3]."""
    place = np.linspace(0.0, 1.0, len(_TONES))
    return np.array([np.interp(person.skin, place, _TONES[:, i]) for i in range(3)], dtype=np.float32)


def paint_skin(person: Identity, x: Array, y: Array, scale: float, rng: np.random.Generator) -> Array:
    """The face [H, W, 3] in 0…1 at `scale` pixels per face unit, as if the skin had no end."""
    shape = (x.shape[0], x.shape[1])
    fine = clouds(rng, shape, 0.010 * scale)
    height = relief(person, x, y) + 0.0011 * (0.6 + person.age) * fine
    diffuse, gloss = light(person, height, scale)
    colour = _complexion(person, x, y, scale, rng) * (1.0 + 0.018 * fine)[..., None]
    colour = _lips(person, x, y, colour, clouds(rng, shape, 0.012 * scale))
    lit = colour * diffuse[..., None] + (0.16 * gloss * (1.2 - person.age * 0.4))[..., None]
    return _lines_and_brows(person, x, y, lit, rng)


def _complexion(person: Identity, x: Array, y: Array, scale: float, rng: np.random.Generator) -> Array:
    side, shape = np.abs(x), (x.shape[0], x.shape[1])
    colour = np.ones((*shape, 3), np.float32) * tone(person)
    rosy = bump(side, y, 0.52, 0.42, 0.2, 0.2) + 0.8 * bump(side, y, 0.0, person.nose_y - 0.08, 0.12, 0.1)
    rosy = rosy + 0.18 * clouds(rng, shape, 0.10 * scale)
    strength = (0.025 + 0.05 * person.redness) * rosy[..., None]
    colour *= 1.0 + strength * np.array([0.5, -1.0, -0.9], np.float32)
    colour *= (1.0 + 0.022 * clouds(rng, shape, 0.035 * scale))[..., None]
    tired = bump(side, y, person.eye_x - 0.03, 0.13, 0.17, 0.06)
    colour *= 1.0 - (0.05 + 0.10 * person.age) * tired[..., None] * np.array([0.9, 1.0, 0.8], np.float32)
    spots = smoothstep(clouds(rng, shape, 0.010 * scale), 1.2, 2.6) * bump(side, y, 0.35, 0.35, 0.4, 0.3)
    colour *= 1.0 - 0.35 * person.freckles * spots[..., None] * np.array([0.6, 1.0, 1.1], np.float32)
    beard = smoothstep(y, 0.55, 0.85) * smoothstep(y, 1.9, 1.3)
    grain = 0.75 + 0.22 * clouds(rng, shape, 0.006 * scale)
    colour *= 1.0 - 0.30 * person.stubble * (beard * grain)[..., None]
    for _ in range(2):
        mole = bump(x, y, rng.uniform(-0.65, 0.65), rng.uniform(0.2, 1.2), 0.013, 0.013)
        colour *= 1.0 - 0.5 * mole[..., None]
    return np.asarray(colour, dtype=np.float32)


def _lips(person: Identity, x: Array, y: Array, colour: Array, grain: Array) -> Array:
    u = x / person.mouth_width
    middle, arc = line(person, x), np.maximum(0.0, 1.0 - u**2)
    bow = arc**0.75 * (
        1.0 - 0.25 * np.exp(-((u / 0.13) ** 2)) + 0.12 * np.exp(-(((np.abs(u) - 0.25) / 0.15) ** 2))
    )
    top, bottom = middle - person.upper_lip * bow, middle + person.lower_lip * arc**0.8
    mask = smoothstep(y - top, -0.008, 0.014) * smoothstep(bottom - y, -0.010, 0.022)
    red = tone(person) * np.array([0.86, 0.62, 0.64], np.float32)
    red = red * (1.06 - 0.22 * person.lip_colour * np.array([0.2, 1.0, 0.8], np.float32))
    lip = red * (1.0 + 0.05 * grain + 0.06 * np.sin(70.0 * u))[..., None]
    alpha = (0.85 * mask)[..., None]
    return np.asarray(colour * (1.0 - alpha) + lip * alpha, dtype=np.float32)


def _lines_and_brows(person: Identity, x: Array, y: Array, lit: Array, rng: np.random.Generator) -> Array:
    side = np.abs(x)
    u = x / person.mouth_width
    seam = np.exp(-(((y - line(person, x)) / 0.011) ** 2)) * smoothstep(np.abs(u), 1.05, 0.9)
    out = lit * (1.0 - 0.62 * seam[..., None] * np.array([0.85, 1.0, 1.0], np.float32))
    nostril = bump(side, y, person.nose_width * 0.42, person.nose_y - 0.012, 0.042, 0.018)
    wing = bump(side, y, person.nose_width * 1.02, person.nose_y - 0.05, 0.022, 0.05)
    under = bump(side, y, 0.0, person.nose_y + 0.015, person.nose_width * 0.6, 0.016)
    out *= (1.0 - 0.68 * nostril - 0.22 * wing - 0.12 * under)[..., None]
    e, v = lid_coordinates(person, x, y)
    fold = np.exp(-(((v - upper_edge(person, e * 0.92) * 1.05 + person.crease) / 0.012) ** 2))
    out *= (1.0 - 0.28 * fold * smoothstep(np.abs(e), 1.15, 0.8))[..., None]
    across = np.asarray(x + 0.25 * y + 9.0, dtype=np.float32)
    along = np.asarray(3.0 * side + 4.0 * (y + 3.0), dtype=np.float32)
    brow = _brow(person, side, y, strands(rng, across, along, 130.0))
    alpha = (person.brow_density * brow)[..., None]
    return np.asarray(out * (1.0 - alpha) + np.array(person.hair, np.float32) * 0.9 * alpha, dtype=np.float32)


def _brow(person: Identity, side: Array, y: Array, hairs: Array) -> Array:
    t = (side - (person.eye_x - 0.25)) / 0.50
    centre = person.brow_y + 0.02 - person.brow_arch * np.sin(np.clip(t, 0.0, 1.0) * 2.6) * 1.2
    thick = person.brow_thickness * (1.0 - 0.55 * np.clip(t, 0.0, 1.0) ** 1.5)
    band = smoothstep(np.abs(y - centre) / thick, 1.25, 0.45)
    ends = smoothstep(t, -0.06, 0.12) * smoothstep(t, 1.04, 0.75)
    return np.asarray(np.clip(band * ends * (0.85 + 0.30 * hairs), 0.0, 1.0), dtype=np.float32)

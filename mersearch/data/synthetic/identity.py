"""Who a synthetic person is: the geometry, skin and hair that stay the same over all clips of a subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mersearch import seeds


@dataclass(frozen=True, slots=True)
class Identity:
    """One person. Lengths are in face units (see `geometry`), the rest in 0…1 unless said otherwise."""

    skin: float
    """0 light … 1 dark."""
    redness: float
    age: float
    """0 smooth … 1 wrinkled."""
    freckles: float
    stubble: float
    cheek_width: float
    jaw_width: float
    chin_width: float
    chin_y: float
    eye_x: float
    eye_width: float
    """Half the length of the opening."""
    eye_height: float
    """Half the height of the opening at rest."""
    eye_tilt: float
    """Radians; positive lifts the outer corner."""
    crease: float
    """Distance of the crease above the upper lid."""
    iris: tuple[float, float, float]
    brow_y: float
    brow_thickness: float
    brow_arch: float
    brow_density: float
    nose_y: float
    """Height of the base of the nose."""
    nose_width: float
    nose_relief: float
    mouth_y: float
    mouth_width: float
    """Half the length."""
    mouth_curve: float
    upper_lip: float
    lower_lip: float
    lip_colour: float
    hair: tuple[float, float, float]
    hair_line: float
    hair_length: float
    hair_part: float
    light: tuple[float, float]
    """Direction of the lamp seen from the face: x, y."""
    expressivity: float
    """Factor on the amplitude of every action unit."""
    bias: float
    """−1 … 1: how much stronger the right (−) or left (+) half of the face moves."""
    texture: int
    """Seed of the skin and hair noise."""


_IRIS = ((0.20, 0.12, 0.07), (0.27, 0.17, 0.09), (0.32, 0.36, 0.30), (0.33, 0.42, 0.50))
_HAIR = ((0.06, 0.05, 0.05), (0.13, 0.09, 0.07), (0.25, 0.17, 0.11), (0.45, 0.35, 0.22), (0.38, 0.36, 0.35))


def draw(database: str, subject: str, seed: int) -> Identity:
    """The person behind a subject: another database or another seed gives another person."""
    rng = seeds.generator("synthetic", "identity", database, subject, seed)
    skin = float(rng.beta(1.4, 2.2))
    fair = max(0.0, 0.45 - skin)

    def around(mean: float, spread: float) -> float:
        return float(mean + spread * np.clip(rng.standard_normal(), -2.0, 2.0))

    return Identity(
        skin=skin,
        redness=float(rng.random()),
        age=float(rng.beta(1.5, 2.5)),
        freckles=float(rng.random() ** 3),
        stubble=float(max(0.0, rng.random() - 0.5) * 1.6),
        cheek_width=around(0.88, 0.035),
        jaw_width=around(0.72, 0.045),
        chin_width=around(0.33, 0.045),
        chin_y=around(1.44, 0.04),
        eye_x=around(0.40, 0.015),
        eye_width=around(0.185, 0.012),
        eye_height=around(0.066, 0.010),
        eye_tilt=around(0.05, 0.05),
        crease=float(abs(around(0.045, 0.018))) + 0.012,
        iris=_IRIS[int(rng.choice(4, p=_iris_odds(fair)))],
        brow_y=around(-0.27, 0.022),
        brow_thickness=around(0.043, 0.009),
        brow_arch=around(0.05, 0.022),
        brow_density=around(0.72, 0.12),
        nose_y=around(0.60, 0.025),
        nose_width=around(0.20, 0.018),
        nose_relief=around(1.0, 0.15),
        mouth_y=around(0.88, 0.025),
        mouth_width=around(0.32, 0.026),
        mouth_curve=around(0.0, 0.014),
        upper_lip=around(0.062, 0.012),
        lower_lip=around(0.090, 0.014),
        lip_colour=float(rng.random()),
        hair=_HAIR[int(rng.choice(5, p=_hair_odds(fair)))],
        hair_line=around(-0.86, 0.07),
        hair_length=float(rng.choice([0.0, 0.15, 0.9, 1.6]) + 0.15 * rng.random()),
        hair_part=around(0.0, 0.22),
        light=(around(0.0, 0.22), around(-0.35, 0.12)),
        expressivity=float(np.exp(0.28 * np.clip(rng.standard_normal(), -1.8, 1.8))),
        bias=around(0.0, 0.16),
        texture=int(rng.integers(2**62)),
    )


def _iris_odds(fair: float) -> list[float]:
    return [0.55 - fair * 0.8, 0.45 - fair * 0.4, fair * 0.6, fair * 0.6]


def _hair_odds(fair: float) -> list[float]:
    return [0.52 - fair * 0.7, 0.30 - fair * 0.1, 0.12 + fair * 0.4, fair * 0.4, 0.06]

"""Action units as smooth displacement fields on the face.

An action unit is a sum of Gaussian pushes around landmarks of the person, scaled so that its largest displacement is
one pixel at 128. The picture is warped backwards: what is seen at q was at q − D(q) in the neutral face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mersearch.data.synthetic.geometry import PIXELS, Array, bump, grid
from mersearch.data.synthetic.identity import Identity
from mersearch.data.synthetic.mouth import Opening, lower

Side = Literal["both", "left", "right"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One active action unit.

    Attributes:
        number: FACS number.
        side: the subject's side; the subject's left is the viewer's right.
        amplitude: largest displacement at the apex, in pixels at 128.
    """

    number: int
    side: Side
    amplitude: float

    @property
    def text(self) -> str:
        """As annotations write it: `4`, `L10`, `R1`."""
        return {"both": "", "left": "L", "right": "R"}[self.side] + str(self.number)


@dataclass(frozen=True, slots=True)
class Push:
    """A Gaussian displacement beside a landmark, in face units.

    Attributes:
        landmark: a key of `landmarks`.
        offset: of the centre from the landmark; x grows outwards, y downwards.
        width: standard deviations.
        direction: of the motion, relative to the other pushes of the unit.
    """

    landmark: str
    offset: tuple[float, float]
    width: tuple[float, float]
    direction: tuple[float, float]


PUSHES: dict[int, tuple[Push, ...]] = {
    1: (Push("brow_inner", (0.02, -0.04), (0.15, 0.14), (0.0, -1.0)),),
    2: (Push("brow_outer", (0.0, -0.04), (0.17, 0.14), (0.0, -1.0)),),
    4: (
        Push("brow_inner", (0.0, 0.0), (0.15, 0.12), (-0.55, 0.85)),
        Push("brow_outer", (-0.1, 0.02), (0.15, 0.10), (-0.1, 0.4)),
    ),
    5: (Push("eye", (0.0, -0.10), (0.16, 0.06), (0.0, -1.0)),),
    6: (
        Push("eye", (0.08, 0.28), (0.20, 0.13), (-0.05, -1.0)),
        Push("eye", (0.26, 0.06), (0.10, 0.12), (-0.5, 0.1)),
    ),
    7: (
        Push("eye", (0.0, 0.10), (0.15, 0.06), (-0.1, -1.0)),
        Push("eye", (0.0, -0.10), (0.16, 0.05), (0.0, 0.6)),
    ),
    9: (
        Push("nose", (-0.10, -0.24), (0.10, 0.14), (0.0, -1.0)),
        Push("brow_inner", (-0.04, 0.06), (0.11, 0.09), (-0.2, 0.6)),
        Push("lip_upper", (0.02, -0.06), (0.12, 0.08), (0.0, -0.45)),
    ),
    10: (
        Push("lip_upper", (0.03, -0.02), (0.13, 0.09), (0.0, -1.0)),
        Push("nose", (0.10, 0.02), (0.10, 0.12), (0.1, -0.5)),
    ),
    12: (
        Push("corner", (0.0, 0.0), (0.15, 0.14), (0.6, -0.8)),
        Push("corner", (0.14, -0.30), (0.18, 0.17), (0.2, -0.5)),
    ),
    14: (Push("corner", (0.03, 0.0), (0.11, 0.11), (0.95, -0.25)),),
    15: (Push("corner", (0.0, 0.02), (0.13, 0.13), (0.2, 1.0)),),
    16: (Push("lip_lower", (0.02, 0.05), (0.14, 0.09), (0.1, 1.0)),),
    17: (
        Push("chin", (0.0, -0.20), (0.20, 0.13), (0.0, -1.0)),
        Push("lip_lower", (0.0, 0.02), (0.16, 0.07), (0.0, -0.6)),
    ),
    20: (Push("corner", (0.0, 0.03), (0.18, 0.14), (1.0, 0.25)),),
    23: (
        Push("corner", (-0.04, 0.0), (0.12, 0.10), (-1.0, 0.0)),
        Push("lip_upper", (0.0, 0.0), (0.12, 0.05), (-0.1, 0.5)),
        Push("lip_lower", (0.0, 0.0), (0.12, 0.05), (-0.1, -0.5)),
    ),
    24: (
        Push("lip_upper", (0.04, 0.0), (0.15, 0.06), (0.0, 0.9)),
        Push("lip_lower", (0.04, 0.0), (0.15, 0.06), (0.0, -1.0)),
    ),
    25: (),
    26: (),
    27: (),
    38: (Push("nose", (0.0, -0.04), (0.07, 0.06), (1.0, 0.1)),),
}
"""FACS number → pushes on the subject's left half; the right half is their mirror image. 25–27 open the mouth."""


def landmarks(person: Identity) -> dict[str, tuple[float, float]]:
    """Landmarks of the subject's left half of the neutral face, in face units."""
    return {
        "brow_inner": (person.eye_x - 0.23, person.brow_y + 0.02),
        "brow_outer": (person.eye_x + 0.14, person.brow_y - person.brow_arch),
        "eye": (person.eye_x, 0.0),
        "nose": (person.nose_width * 0.9, person.nose_y - 0.06),
        "lip_upper": (person.mouth_width * 0.4, person.mouth_y - person.upper_lip),
        "lip_lower": (person.mouth_width * 0.4, person.mouth_y + person.lower_lip),
        "corner": (person.mouth_width, person.mouth_y),
        "chin": (0.10, person.chin_y),
    }


def unit_field(person: Identity, number: int, side: Side, x: Array, y: Array) -> Array:
    """Displacement [2, H, W] in face units of an action unit of amplitude one pixel at 128.

    The scale is that of the whole face, whatever part of it `x` and `y` cover.
    """
    if not PUSHES[number]:
        return np.zeros((2, *x.shape), dtype=np.float32)
    peak = float(_length(_raw_field(person, number, side, *grid(64, 64))).max())
    return _raw_field(person, number, side, x, y) / peak


def expression(person: Identity, units: Sequence[Unit], x: Array, y: Array) -> Array:
    """Sum of the displacements [2, H, W], in face units, of all units at their apex."""
    field = np.zeros((2, *x.shape), dtype=np.float32)
    for unit in units:
        field += unit.amplitude * unit_field(person, unit.number, unit.side, x, y)
    return field


def opening_of(units: Sequence[Unit]) -> Opening:
    """How far these units open the mouth at their apex."""
    lips = sum(unit.amplitude for unit in units if unit.number == 25)
    jaw = sum(unit.amplitude for unit in units if unit.number in {26, 27})
    return Opening(lips=lips / float(PIXELS[1]), jaw=jaw / float(PIXELS[1]))


def forward(person: Identity, units: Sequence[Unit], size: int = 56) -> Array:
    """Ground truth: where each point of the neutral face goes, [2, size, size] (u, v) in pixels at 128.

    Solves F(p) = D(p + F(p)) by fixed-point iteration, after the mouth has opened.
    """
    x, y = grid(size, size)
    opened = lower(person, opening_of(units), x, y)
    field = np.zeros((2, size, size), dtype=np.float32)
    for _ in range(8):
        field = expression(person, units, x + field[0], y + opened + field[1])
    field[1] += opened
    return field * PIXELS[:, None, None]


def _raw_field(person: Identity, number: int, side: Side, x: Array, y: Array) -> Array:
    field = np.zeros((2, *x.shape), dtype=np.float32)
    marks = landmarks(person)
    for sign in {"both": (1.0, -1.0), "left": (1.0,), "right": (-1.0,)}[side]:
        gain = 1.0 + sign * person.bias
        for push in PUSHES[number]:
            cx, cy = (a + b for a, b in zip(marks[push.landmark], push.offset, strict=True))
            weight = gain * bump(x, y, sign * cx, cy, *push.width)
            field[0] += sign * push.direction[0] * weight
            field[1] += push.direction[1] * weight
    return field


def _length(field: Array) -> Array:
    scaled = field * PIXELS[:, None, None]
    return np.asarray(np.hypot(scaled[0], scaled[1]), dtype=np.float32)

"""An opening mouth: the one motion of the face that tears it, so no smooth field can show it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mersearch.data.synthetic.geometry import Array, smoothstep
from mersearch.data.synthetic.identity import Identity


@dataclass(frozen=True, slots=True)
class Opening:
    """How far the mouth is open, in face units: the lips part (action unit 25), the jaw drops (26, 27)."""

    lips: float
    jaw: float

    def scaled(self, factor: float) -> Opening:
        """The same opening, `factor` times as far."""
        return Opening(self.lips * factor, self.jaw * factor)

    @property
    def closed(self) -> bool:
        """Whether nothing opens."""
        return self.lips <= 0.0 and self.jaw <= 0.0


def line(person: Identity, x: Array) -> Array:
    """Height of the line between the closed lips at `x`."""
    u = x / person.mouth_width
    return np.asarray(person.mouth_y - person.mouth_curve * (u**2 - 0.5), dtype=np.float32)


def raise_back(person: Identity, opening: Opening, x: Array, y: Array) -> tuple[Array, Array]:
    """What the open mouth shows at (x, y).

    Returns:
        The height in the closed face [H, W], and the signed distance [H, W] into the gap (positive inside).
    """
    middle, profile = line(person, x), _profile(person, x)
    below = y - (middle + (0.7 * opening.lips + opening.jaw) * profile)
    above = (middle - 0.3 * opening.lips * profile) - y
    down = _shift(opening, profile, x, np.maximum(below, 0.0))
    up = 0.3 * opening.lips * profile * np.exp(-((np.maximum(above, 0.0) / 0.1) ** 2))
    source = np.where(y > middle, y - down, y + up).astype(np.float32)
    return source, np.minimum(-below, -above).astype(np.float32)


def lower(person: Identity, opening: Opening, x: Array, y: Array) -> Array:
    """Displacement down [H, W] of the points (x, y) of the closed face: the inverse of `raise_back`."""
    middle, profile = line(person, x), _profile(person, x)
    edge = (0.7 * opening.lips + opening.jaw) * profile
    down, up = edge.copy(), np.zeros_like(y)
    for _ in range(12):
        down = _shift(opening, profile, x, np.maximum(y + down - middle - edge, 0.0))
        gap = np.maximum(middle - 0.3 * opening.lips * profile - (y - up), 0.0)
        up = (0.3 * opening.lips * profile * np.exp(-((gap / 0.1) ** 2))).astype(np.float32)
    return np.where(y > middle, down, -up).astype(np.float32)


def _profile(person: Identity, x: Array) -> Array:
    return np.asarray(np.maximum(0.0, 1.0 - (x / person.mouth_width) ** 2), dtype=np.float32)


def _shift(opening: Opening, profile: Array, x: Array, distance: Array) -> Array:
    wide = np.exp(-((x / 0.75) ** 6)) * smoothstep(distance, 0.0, 0.35)
    jaw = opening.jaw * (profile + (1.0 - profile) * wide) * smoothstep(distance, 1.1, 0.35)
    lips = 0.7 * opening.lips * profile * np.exp(-((distance / 0.14) ** 2))
    return np.asarray(jaw + lips, dtype=np.float32)

"""Two ways to film a face: a crop of it, and a frame in a part of which it is."""

from __future__ import annotations

from typing import Literal

from mersearch.data.synthetic.geometry import BOTTOM, LEFT, RIGHT, TOP
from mersearch.data.synthetic.plan import Camera


def crop(size: float) -> Camera:
    """The face crop: 140×170 pixels at size 1 (the crops of CASME II are about 280×340)."""
    width, height = round(140 * size), round(170 * size)
    zoom = (width / (RIGHT - LEFT), height / (BOTTOM - TOP))
    return Camera(
        width=width,
        height=height,
        zoom=zoom,
        centre=(-LEFT * zoom[0], -TOP * zoom[1]),
        wander=(0.015 * width, 0.0),
        area=(1.15, -1.05, 1.75),
        grey=False,
        drift=0.7,
        kind="micro",
    )


def room(width: int, height: int, *, grey: bool, kind: Literal["micro", "still"] = "micro") -> Camera:
    """A frame of `width`×`height` pixels in which the face fills about the part that it fills in CK+."""
    zoom = 0.261 * height
    spread = 0.046 * height
    return Camera(
        width=width,
        height=height,
        zoom=(zoom, zoom),
        centre=(0.5 * width, 0.43 * height),
        wander=(spread, 0.06),
        area=(1.1 * (0.5 * width + spread) / zoom, -2.15, 2.75),
        grey=grey,
        drift=0.7,
        kind=kind,
    )

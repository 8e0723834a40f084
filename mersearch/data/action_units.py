"""Action units: reading the coders' notation, and where on an aligned face each unit moves the skin.

The aligned face: the picture is filled by the whole face, as in CASME II's `Cropped` frames. In units of its width
and height, eyes lie at (0.30, 0.38) and (0.70, 0.38), brows at 0.27, the tip of the nose at (0.50, 0.58), the
centre of the mouth at (0.50, 0.75), the chin boss at 0.87. The regions are our reading of the appearance changes
that the Facial Action Coding System describes (Ekman, Friesen and Hager, 2002), wide enough for the spread
between people.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from mersearch.errors import DataError

ACTION_UNITS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25)
"""FACS numbers that have a column and a region; others are kept in a clip's tuple only."""

Ellipse = tuple[float, float, float, float]
"""Centre x, centre y, half-width, half-height, in units of the picture. Mirrored to the other side of the face."""

REGIONS: dict[int, tuple[Ellipse, ...]] = {
    1: ((0.41, 0.25, 0.09, 0.09),),  # inner brow and the forehead above it
    2: ((0.22, 0.26, 0.10, 0.09),),  # outer brow
    4: ((0.38, 0.28, 0.12, 0.07), (0.50, 0.31, 0.07, 0.09)),  # whole brow and the glabella
    5: ((0.30, 0.35, 0.11, 0.05),),  # upper lid
    6: ((0.25, 0.48, 0.13, 0.08),),  # cheek and outer corner of the eye
    7: ((0.30, 0.39, 0.13, 0.06),),  # both lids
    9: ((0.50, 0.45, 0.08, 0.10), (0.42, 0.56, 0.06, 0.06)),  # root and wings of the nose
    10: ((0.41, 0.66, 0.10, 0.07),),  # upper lip and nasolabial fold
    12: ((0.32, 0.73, 0.09, 0.09), (0.27, 0.64, 0.09, 0.07)),  # lip corner and the cheek it lifts
    14: ((0.31, 0.74, 0.08, 0.07),),  # dimple beside the lip corner
    15: ((0.34, 0.77, 0.09, 0.09),),  # lip corner, drawn down
    17: ((0.50, 0.86, 0.15, 0.09),),  # chin boss and lower lip
    20: ((0.33, 0.76, 0.11, 0.08),),  # lip corner, drawn sideways
    23: ((0.50, 0.75, 0.19, 0.06),),  # red part of both lips
    24: ((0.50, 0.75, 0.15, 0.06),),  # lips, pressed together
    25: ((0.50, 0.76, 0.14, 0.07),),  # lips, apart
}
EDGE = 0.35
"""Standard deviation of the Gaussian edge, in radii of the ellipse."""

_UNIT = re.compile(r"(?:AU)?[LRTBU]?(\d{1,2})(?:[A-E](?:/[A-E])*)?\??", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*(?:\+|,|;|/|&|\bor\b|\band\b|\s)\s*", re.IGNORECASE)
_UNKNOWN = frozenset({"", "?", "-", "/", "nan", "none", "n/a"})


def parse(text: str | None) -> tuple[int, ...] | None:
    """FACS numbers of an annotation, sorted, once each; None where the coders gave none (`?`, empty).

    Sides (`L10`, `R1`) and intensities (`10A/B`, `15A`) are dropped; both sides of an alternative
    (`L12 or L14`) are kept, because either may show.

    Raises:
        DataError: the text is not a list of action units.

    >>> parse("(R6 or R12)+R15")
    (6, 12, 15)
    """
    bare = (text or "").strip()
    if bare.lower() in _UNKNOWN:
        return None
    words = [word for word in _SEPARATOR.split(_protect(bare)) if word not in ("", "?")]
    matches = [_UNIT.fullmatch(word.replace("|", "/")) for word in words]
    numbers = {int(match.group(1)) for match in matches if match}
    if not words or not all(matches):
        raise DataError(
            "action units are FACS numbers joined by +, such as 4+L10 or (R6 or R12)+R15",
            received=repr(text),
            fix="correct the cell, or write ? where the coders gave none",
        )
    return tuple(sorted(numbers))


def columns(action_units: tuple[int, ...] | None) -> NDArray[np.bool_]:
    """bool [A]: which units of `ACTION_UNITS` the clip shows; all False where none are annotated."""
    return np.isin(ACTION_UNITS, action_units or ())


def regions(size: int = 14) -> NDArray[np.float32]:
    """Where each unit of `ACTION_UNITS` moves the skin: float32 [A, size, size] in [0, 1], row = height.

    A region is the maximum over its ellipses e and their mirror images of exp(−½ (max(0, r_e − 1) / EDGE)²), with
    r_e the distance from the centre in radii, sampled at the centres of the cells: 1 in the core, smooth outside.
    """
    centre = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(centre, centre, indexing="ij")
    maps = np.zeros((len(ACTION_UNITS), size, size))
    for a, unit in enumerate(ACTION_UNITS):
        for cx, cy, rx, ry in REGIONS[unit]:
            for side in (cx, 1 - cx):
                r = np.hypot((x - side) / rx, (y - cy) / ry)
                maps[a] = np.maximum(maps[a], np.exp(-0.5 * (np.maximum(0, r - 1) / EDGE) ** 2))
    return maps.astype(np.float32)


def _protect(text: str) -> str:
    """The text without brackets, the slash between two intensities written as a bar."""
    flat = re.sub(r"[()\[\]]", " ", text)
    return re.sub(r"(?<=[A-E])/(?=[A-E](?![A-Z0-9]))", "|", flat, flags=re.IGNORECASE)

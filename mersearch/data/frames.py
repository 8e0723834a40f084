"""Which frames of a clip are used."""

from __future__ import annotations

import math

from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Clip, FlowMaps, Kind


def positions(clip: Clip, settings: Preprocess) -> tuple[int, ...]:
    """Positions in `clip.frames` of the T sampled frames, by linear interpolation of the index.

    p_t = ⌊a + t (b − a) / (T − 1) + ½⌋ for t = 0…T − 1: the index is interpolated and rounded, not the images,
    because a blend of two frames shows two faces. The first is the onset; a clip of fewer than T frames repeats
    some. For micro clips a = onset and b = offset; for macro clips a = onset (the neutral start) and b is
    `macro_fraction` of the way to the apex (the peak), at least one frame after the onset where there is one.
    T = 1 gives the apex of a micro clip, and b of a macro clip.
    """
    return _sampled(clip.onset, clip.apex, clip.offset, clip.kind, settings)


def flow_positions(clip: Clip, maps: FlowMaps, settings: Preprocess) -> tuple[int, ...]:
    """The same for the maps of a clip: 0 is the onset, which did not move, and n the n-th map."""
    return _sampled(0, maps.apex, maps.length, clip.kind, settings)


def _sampled(onset: int, apex: int, offset: int, kind: Kind, settings: Preprocess) -> tuple[int, ...]:
    last = offset if kind == "micro" else _macro_end(onset, apex, settings.macro_fraction)
    if settings.frames == 1:
        return (apex if kind == "micro" else last,)
    step = (last - onset) / (settings.frames - 1)
    return tuple(math.floor(onset + index * step + 0.5) for index in range(settings.frames))


def _macro_end(onset: int, apex: int, fraction: float) -> int:
    end = math.floor(onset + fraction * (apex - onset) + 0.5)
    return min(max(end, onset + 1), apex)

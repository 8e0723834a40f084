"""One clip from its files to the arrays that training reads."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.data.align import Face, Image, Transform, align, crop
from mersearch.data.flow import features, optical_flow, quantise
from mersearch.data.flow_maps import flow_view
from mersearch.data.frames import flow_positions, positions
from mersearch.data.landmarks import Eyes
from mersearch.data.pictures import opened, source
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Clip
from mersearch.errors import DataError


@dataclass(frozen=True, slots=True)
class ClipArrays:
    """What is stored of one clip.

    Attributes:
        rgb: uint8 [3, T, H, W], the sampled frames in red, green, blue; None of a clip that is only flow.
        flow: int8 [3, T, H, W], motion from the onset to each sampled frame (u, v, strain).
        note: what the alignment could not do, or None.
    """

    rgb: NDArray[np.uint8] | None
    flow: NDArray[np.int8]
    note: str | None


def clip_arrays(clip: Clip, settings: Preprocess, how: Face) -> ClipArrays:
    """Align, sample and measure one clip; a pure function of its files, the settings, and how its face is found.

    Flow that was computed elsewhere is taken as it is.

    Raises:
        DataError: a file cannot be read, a frame differs in size from the onset frame, or the eyes of a landmark file
            lie outside it; names clip and file.
    """
    if clip.flow is None:
        return _pictured(clip, settings, how, None)
    given = flow_view(clip.flow, flow_positions(clip, clip.flow, settings), settings, clip.clip_id)
    return _pictured(clip, settings, how, given) if clip.pictured else ClipArrays(None, given, None)


def _pictured(clip: Clip, settings: Preprocess, how: Face, given: NDArray[np.int8] | None) -> ClipArrays:
    """The arrays of a clip that has frames; flow is measured where none is given."""
    sampled = positions(clip, settings)
    rgb: dict[int, Image] = {}
    flow: dict[int, NDArray[np.int8]] = {}
    with opened(clip) as read:
        onset = read(clip.onset)
        _require_inside(how, onset, clip)
        transform, note = align(onset, how)
        neutral = crop(onset, transform, settings.flow_size)
        for position in dict.fromkeys(sampled):
            face = neutral
            if position != clip.onset:
                face = _face(clip, position, read(position), onset, transform, settings)
            rgb[position] = _small(face, settings.size)
            if given is None:
                flow[position] = _motion(neutral, face, settings)
    motion = np.stack([flow[position] for position in sampled], axis=1) if given is None else given
    return ClipArrays(np.stack([rgb[position] for position in sampled], axis=1), motion, note)


def _require_inside(how: Face, onset: Image, clip: Clip) -> None:
    height, width = onset.shape[:2]
    if isinstance(how, Eyes) and not all(0 <= x <= width and 0 <= y <= height for x, y in how):
        raise DataError(
            f"The landmarks of clip {clip.clip_id} lie inside its onset frame",
            received=f"eyes at {', '.join(f'({x:g}, {y:g})' for x, y in how)} of {width}×{height} pixels",
            fix="write pixels of the onset frame as it is on disk, not of a smaller copy or a crop of it",
        )


def _face(
    clip: Clip, position: int, image: Image, onset: Image, transform: Transform, settings: Preprocess
) -> Image:
    if image.shape != onset.shape:
        raise DataError(
            f"All frames of clip {clip.clip_id} have one size",
            received=f"{source(clip, position)}: {image.shape[1]}×{image.shape[0]}, "
            f"onset frame {onset.shape[1]}×{onset.shape[0]}",
            fix="copy the clip again from the database",
        )
    return crop(image, transform, settings.flow_size)


def _small(face: Image, size: int) -> Image:
    """RGB uint8 [3, size, size] of a crop."""
    small = cv2.cvtColor(cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    return np.moveaxis(np.asarray(small, dtype=np.uint8), -1, 0)


def _motion(neutral: Image, face: Image, settings: Preprocess) -> NDArray[np.int8]:
    """Motion of a crop since the neutral crop, int8 [3, H, W]."""
    size = settings.size
    if face is neutral:
        return np.zeros((3, size, size), dtype=np.int8)
    measured = features(optical_flow(_grey(neutral), _grey(face)), size, settings.face_size)
    return quantise(measured, settings.flow_scale, settings.strain_scale)


def _grey(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)

"""One clip from its files to the arrays that training reads."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.data.align import Face, Image, Transform, align, crop
from mersearch.data.flow import features, optical_flow, quantise
from mersearch.data.frames import positions
from mersearch.data.images import read_image
from mersearch.data.landmarks import Eyes
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Clip
from mersearch.errors import DataError


@dataclass(frozen=True, slots=True)
class ClipArrays:
    """What is stored of one clip.

    Attributes:
        rgb: uint8 [3, T, H, W], the sampled frames in red, green, blue.
        flow: int8 [3, T, H, W], motion from the onset to each sampled frame (u, v, strain).
        note: what the alignment could not do, or None.
    """

    rgb: NDArray[np.uint8]
    flow: NDArray[np.int8]
    note: str | None


def clip_arrays(clip: Clip, settings: Preprocess, how: Face) -> ClipArrays:
    """Align, sample and measure one clip; a pure function of its frames, the settings, and how its face is found.

    Raises:
        DataError: a frame cannot be read, or differs in size from the onset frame, or the eyes of a landmark file lie
            outside it; names the clip and the file.
    """
    onset = read_image(clip.frames[clip.onset], clip.clip_id)
    _require_inside(how, onset, clip)
    transform, note = align(onset, how)
    neutral = crop(onset, transform, settings.flow_size)
    views: dict[int, tuple[Image, NDArray[np.int8]]] = {}
    sampled = positions(clip, settings)
    for position in sampled:
        if position not in views:
            face = neutral if position == clip.onset else _face(clip, position, onset, transform, settings)
            views[position] = _views(neutral, face, settings)
    rgb = np.stack([views[position][0] for position in sampled], axis=1)
    flow = np.stack([views[position][1] for position in sampled], axis=1)
    return ClipArrays(rgb, flow, note)


def _require_inside(how: Face, onset: Image, clip: Clip) -> None:
    height, width = onset.shape[:2]
    if isinstance(how, Eyes) and not all(0 <= x <= width and 0 <= y <= height for x, y in how):
        raise DataError(
            f"The landmarks of clip {clip.clip_id} lie inside its onset frame",
            received=f"eyes at {', '.join(f'({x:g}, {y:g})' for x, y in how)} of {width}×{height} pixels",
            fix="write pixels of the onset frame as it is on disk, not of a smaller copy or a crop of it",
        )


def _face(clip: Clip, position: int, onset: Image, transform: Transform, settings: Preprocess) -> Image:
    path = clip.frames[position]
    image = read_image(path, clip.clip_id)
    if image.shape != onset.shape:
        raise DataError(
            f"All frames of clip {clip.clip_id} have one size",
            received=f"{path}: {image.shape[1]}×{image.shape[0]}, onset frame {onset.shape[1]}×{onset.shape[0]}",
            fix="copy the clip again from the database",
        )
    return crop(image, transform, settings.flow_size)


def _views(neutral: Image, face: Image, settings: Preprocess) -> tuple[Image, NDArray[np.int8]]:
    """RGB uint8 [3, H, W] of a crop, and its motion since the neutral crop, int8 [3, H, W]."""
    size = settings.size
    small = cv2.cvtColor(cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    if face is neutral:
        motion = np.zeros((3, size, size), dtype=np.int8)
    else:
        measured = features(optical_flow(_grey(neutral), _grey(face)), size, settings.face_size)
        motion = quantise(measured, settings.flow_scale, settings.strain_scale)
    return np.moveaxis(np.asarray(small, dtype=np.uint8), -1, 0), motion


def _grey(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)

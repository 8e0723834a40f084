"""Face and eyes by the Haar cascades that ship with OpenCV (Viola and Jones, 2001)."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import cv2
import numpy as np
from cv2.data import haarcascades
from numpy.typing import NDArray

from mersearch.data.landmarks import Point
from mersearch.errors import DataError

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels."""

SEARCH_WIDTH = 640
"""Faces are searched in a copy of at most this width: a face of interest is never a small part of the frame."""
EYES_BELOW, EYES_ABOVE = 0.18, 0.60
"""Share of the height of a face box between which eye boxes are searched."""
EYE_DISTANCE = (0.25, 0.60)
"""Plausible distance of the eyes as a share of the width of the face box."""
LARGEST_TILT = math.radians(25)


def find_face(grey: NDArray[np.uint8]) -> Box | None:
    """The largest frontal face in a grey image, uint8 [H, W], at least a fifth of the shorter side wide."""
    scale = min(1.0, SEARCH_WIDTH / grey.shape[1])
    if scale < 1:
        grey = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    least = max(24, min(grey.shape) // 5)
    found = _cascade("frontalface_default").detectMultiScale(
        grey, scaleFactor=1.1, minNeighbors=5, minSize=(least, least)
    )
    if len(found) == 0:
        return None
    x, y, width, height = max((tuple(map(float, box)) for box in found), key=lambda box: (box[2], box))
    return x / scale, y / scale, width / scale, height / scale


def find_eyes(grey: NDArray[np.uint8], face: Box) -> tuple[Point, Point] | None:
    """Centres of the eyes (left and right in the image) inside a face box; None unless a plausible pair is found."""
    x, y, width, height = face
    top, bottom = round(y + EYES_BELOW * height), round(y + EYES_ABOVE * height)
    middle = round(x + width / 2)
    left = _eye(grey, (round(x), top, middle, bottom), width)
    right = _eye(grey, (middle, top, round(x + width), bottom), width)
    if left is None or right is None:
        return None
    distance = math.dist(left, right) / width
    tilt = math.atan2(right[1] - left[1], right[0] - left[0])
    plausible = EYE_DISTANCE[0] <= distance <= EYE_DISTANCE[1] and abs(tilt) <= LARGEST_TILT
    return (left, right) if plausible else None


def _eye(grey: NDArray[np.uint8], region: tuple[int, int, int, int], face_width: float) -> Point | None:
    x0, y0, x1, y1 = region
    x0, y0 = max(0, x0), max(0, y0)
    part = np.ascontiguousarray(grey[y0:y1, x0:x1])
    least = max(8, round(face_width * 0.12))
    if min(part.shape) < least:
        return None
    boxes, _, weights = _cascade("eye").detectMultiScale3(
        part, scaleFactor=1.05, minNeighbors=3, minSize=(least, least), outputRejectLevels=True
    )
    if len(boxes) == 0:
        return None
    best = max(range(len(boxes)), key=lambda index: (float(np.ravel(weights)[index]), tuple(boxes[index])))
    x, y, width, height = map(float, boxes[best])
    return x0 + x + width / 2, y0 + y + height / 2


@functools.cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    path = Path(haarcascades) / f"haarcascade_{name}.xml"
    if not path.is_file():
        raise DataError(
            "The face cascades of OpenCV are installed",
            received=f"OpenCV {cv2.__version__} without {path.name}",
            fix="install opencv-python-headless below version 5, or set preprocess.align=none",
        )
    return cv2.CascadeClassifier(str(path))

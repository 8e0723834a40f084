"""One transform per clip, from pixels of its frames to the canonical face crop.

A transform is a float64 [2, 3] matrix M: the point (x, y) of a frame, in continuous coordinates (pixel i covers
[i, i + 1)), lies at M · (x, y, 1) of the unit square that is the crop. It comes from the onset frame alone, or
from landmarks of it, and holds for every frame of the clip: detecting again in each frame would add a jitter as large
as the motion.

The canonical crop is a portrait of 14 : 17 (280 × 340 px in CASME II) stretched to a square, with the eyes at
y = 0.38 of its height and x = 0.30, 0.70 of its width. Databases that ship face crops ship about this; those are
stretched as a whole, so that nothing is cut off and no border shows up in the flow. Faces that are searched are
brought to the same portrait by a similarity transform, so brows and mouths of all databases lie at the same
shares of height and width. Displacements are counted in these shares, both of them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.data.haar import Box, find_eyes, find_face
from mersearch.data.landmarks import Eyes, Point

Transform = NDArray[np.float64]
Face = Literal["haar", "none"] | Eyes
"""How the face of a clip is found: by search, not at all, or where its eyes are."""
Image = NDArray[np.uint8]

LEFT_EYE: Point = (0.30, 0.38)
RIGHT_EYE: Point = (0.70, 0.38)
"""Where the eyes that are left and right in the image lie in the crop, as shares of its width and height."""
BOX_EYES: tuple[Point, Point] = ((0.32, 0.41), (0.68, 0.41))
"""Where they lie on average in a box of the face detector."""
PORTRAIT = 17 / 14
"""Height of the canonical crop over its width, before it is stretched."""


class Alignment(NamedTuple):
    """A transform, and what has to be told about how it was found (None: as intended)."""

    transform: Transform
    note: str | None


def align(onset: Image, face: Face) -> Alignment:
    """The transform of a clip from its onset frame, uint8 [H, W, 3].

    Eyes that are known → similarity transform (rotation, one scale, shift). `haar`: the same for eyes that are
    searched; only a face box → the same with eyes where they usually are in a box; neither → the whole frame. The
    last two come with a note.
    """
    height, width = onset.shape[:2]
    if isinstance(face, Eyes):
        return Alignment(from_eyes(*face), None)
    if face == "none":
        return Alignment(whole_frame(height, width), None)
    grey = np.asarray(cv2.cvtColor(onset, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    box = find_face(grey)
    if box is None:
        return Alignment(
            whole_frame(height, width), "no face found on the onset frame, the whole frame is used"
        )
    eyes = find_eyes(grey, box)
    if eyes is None:
        return Alignment(from_box(box), "no pair of eyes found on the onset frame, the face box is used")
    return Alignment(from_eyes(*eyes), None)


def whole_frame(height: int, width: int) -> Transform:
    """The whole frame, stretched to the square."""
    return np.array([[1 / width, 0, 0], [0, 1 / height, 0]])


def from_box(box: Box) -> Transform:
    """The transform of eyes where they lie on average in the box of a face."""
    x, y, width, height = box
    left, right = ((x + eye[0] * width, y + eye[1] * height) for eye in BOX_EYES)
    return from_eyes(left, right)


def from_eyes(left: Point, right: Point) -> Transform:
    """The transform that takes two distinct points to `LEFT_EYE` and `RIGHT_EYE`.

    A similarity to the portrait, its height then divided by `PORTRAIT`. With points as complex numbers and L', R' the
    eyes in the portrait, the similarity is z → a z + b, a = (R' − L') / (R − L), b = L' − a L.
    """
    there = [complex(x, y * PORTRAIT) for x, y in (LEFT_EYE, RIGHT_EYE)]
    a = (there[1] - there[0]) / (complex(*right) - complex(*left))
    b = there[0] - a * complex(*left)
    rows = [[a.real, -a.imag, b.real], [a.imag / PORTRAIT, a.real / PORTRAIT, b.imag / PORTRAIT]]
    return np.array(rows, dtype=np.float64)


def crop(image: Image, transform: Transform, size: int) -> Image:
    """The canonical crop of a frame, uint8 [size, size, 3].

    An axis that shrinks is averaged over areas first, so that nothing aliases; the rest is bilinear. What
    lies outside the frame repeats its border.
    """
    height, width = image.shape[:2]
    scale = np.linalg.norm(transform[:, :2], axis=0) * size
    shrunk = (_shrunk(width, scale[0]), _shrunk(height, scale[1]))
    if shrunk != (width, height):
        image = np.asarray(cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    linear = size * transform[:, :2] * [width / shrunk[0], height / shrunk[1]]
    shift = size * transform[:, 2] + linear @ [0.5, 0.5] - 0.5
    warped = cv2.warpAffine(
        image,
        np.column_stack([linear, shift]),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, dtype=np.uint8)


def _shrunk(length: int, scale: float) -> int:
    return max(1, round(length * scale)) if scale < 1 else length

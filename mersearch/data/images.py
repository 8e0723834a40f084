"""Reading one frame from disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.errors import DataError

DARK = 64
"""A picture of 16 bits whose brightest value is below this share of 256 holds fewer bits than it says."""


def read_image(path: Path, clip_id: str) -> NDArray[np.uint8]:
    """The frame at `path`, uint8 [H, W, 3] in the order blue, green, red; a grey image has three equal channels.

    Raises:
        DataError: the file is missing, not readable, truncated or not an image, or holds 12 bits or so in 16, which
            would be read as black; names the clip and the file.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(
            f"Every frame of clip {clip_id} can be read",
            received=f"{path}: {error.strerror}",
            fix="restore the file or its permissions",
        ) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise DataError(
            f"Every frame of clip {clip_id} is an image",
            received=f"{path}: {len(data)} bytes that do not decode (truncated or not an image)",
            fix="copy the file again from the database",
        )
    if _sixteen_bits(data) and image.max() < DARK:
        raise DataError(
            f"Every frame of clip {clip_id} uses the range of its 16 bits",
            received=f"{path}: its brightest value is {image.max()} of 255 when read as 8 bits",
            fix="save the frames with 8 bits per channel, scaled to the range that the camera has",
        )
    return np.asarray(image, dtype=np.uint8)


def _sixteen_bits(data: NDArray[np.uint8]) -> bool:
    """Whether the bytes of a file are a PNG with 16 bits per channel."""
    return data[:8].tobytes() == b"\x89PNG\r\n\x1a\n" and len(data) > 24 and int(data[24]) == 16

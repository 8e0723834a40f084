"""Reading one frame from disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.errors import DataError


def read_image(path: Path, clip_id: str) -> NDArray[np.uint8]:
    """The frame at `path`, uint8 [H, W, 3] in the order blue, green, red; a grey image has three equal channels.

    Raises:
        DataError: the file is missing, not readable, truncated or not an image; names the clip and the file.
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
    return np.asarray(image, dtype=np.uint8)

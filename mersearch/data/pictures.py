"""The frames of a clip by position, whether they are files or in a video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
from numpy.typing import NDArray

from mersearch.data.flow_maps import flow_facts
from mersearch.data.images import read_image
from mersearch.data.table import Clip
from mersearch.data.videos import VideoFrames

Read = Callable[[int], NDArray[np.uint8]]
"""Position in the clip → frame, uint8 [H, W, 3] in the order blue, green, red."""


@contextmanager
def opened(clip: Clip) -> Iterator[Read]:
    """Reads frames of a clip that has some; of a video, positions must ascend.

    Raises:
        DataError: where it reads: a frame is missing or cannot be decoded; names the clip and the file.
    """
    if clip.video is None:
        yield lambda position: read_image(clip.frames[position], clip.clip_id)
        return
    with closing(VideoFrames(clip, clip.video)) as frames:
        yield frames.read


def clip_size(clip: Clip) -> tuple[int, int]:
    """Width and height of the first frame, or of the first map of a clip that is only flow.

    Raises:
        DataError: it cannot be decoded; names the clip and the file.
    """
    if clip.flow is not None and not clip.pictured:
        about = flow_facts(clip.flow.files[0])
        return about.width, about.height
    with opened(clip) as read:
        height, width, _ = read(clip.onset).shape
    return width, height


def source(clip: Clip, position: int) -> str:
    """The file of a frame, for messages."""
    if clip.video is None:
        return str(clip.frames[position])
    return f"{clip.video.path}, frame {clip.video.first + position + 1}"

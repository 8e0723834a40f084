"""Frames of a video file, by position, through OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.data.table import Clip, Video
from mersearch.errors import DataError

VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})
"""Endings of files that are taken for videos, lower case."""


class About(NamedTuple):
    """What the header of a video says; frames are counted where it does not say how many there are."""

    frames: int
    fps: float
    width: int
    height: int


def video_facts(path: Path) -> About:
    """Length, rate and size of a video.

    Raises:
        DataError: the file cannot be opened as a video, or holds no frame.
    """
    keys = (
        cv2.CAP_PROP_FRAME_COUNT,
        cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
    )
    capture = cv2.VideoCapture(str(path))
    try:
        frames, fps, width, height = (capture.get(key) for key in keys)
        if not capture.isOpened() or not capture.grab():
            raise DataError(
                "a video can be read by OpenCV",
                received=f"{path}, in which no frame can be decoded",
                fix="convert it, for example to .avi with MJPEG, or to a folder of pictures",
            )
        if frames < 1:  # some headers do not say
            frames = 1
            while capture.grab():
                frames += 1
    finally:
        capture.release()
    return About(int(frames), float(fps), int(width), int(height))


class VideoFrames:
    """The frames of a clip in a video, read from front to back: seeking lands on other frames in some files."""

    def __init__(self, clip: Clip, video: Video) -> None:
        self._clip_id, self._video = clip.clip_id, video
        self._capture = cv2.VideoCapture(str(video.path))
        self._next = -video.first
        self._image: NDArray[np.uint8] | None = None

    def read(self, position: int) -> NDArray[np.uint8]:
        """The frame at a position of the clip that is not before the last one asked for: uint8 [H, W, 3], BGR.

        Raises:
            DataError: the file ends before it, or cannot be decoded; names the clip and the file.
        """
        while self._next < position:
            if not self._capture.grab():
                raise self._short()
            self._next += 1
        if self._next == position:
            found, image = self._capture.read()
            if not found:
                raise self._short()
            self._next += 1
            self._image = np.asarray(image, dtype=np.uint8)
        assert self._image is not None, "positions ascend"
        return self._image

    def close(self) -> None:
        """Release the file."""
        self._capture.release()

    def _short(self) -> DataError:
        readable = self._next + self._video.first
        return DataError(
            f"Every frame of clip {self._clip_id} can be read",
            received=f"{self._video.path}: only {readable} frames can be decoded",
            fix="copy the video again, or shorten the clip in the manifest",
        )

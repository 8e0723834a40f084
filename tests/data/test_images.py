from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from frame_files import grid, texture, write

from mersearch.data.images import read_image
from mersearch.errors import DataError

PICTURE = texture(grid(40, 48))


def test_a_grey_image_has_three_equal_channels(tmp_path: Path) -> None:
    image = read_image(write(tmp_path / "grey.png", PICTURE), "toy/s/c")
    assert np.array_equal(image, np.repeat(PICTURE[..., None], 3, axis=2))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_truncated_image_is_an_error_that_names_clip_and_file(
    tmp_path: Path, ending: str, share: float
) -> None:
    data = cv2.imencode(ending, PICTURE)[1].tobytes()
    path = tmp_path / f"img7{ending}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=rf"clip toy/s/c is an image(.|\n)*img7{ending}"):
        read_image(path, "toy/s/c")


def test_a_missing_image_is_an_error_that_names_clip_and_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clip toy/s/c can be read(.|\n)*img8\.jpg: No such file"):
        read_image(tmp_path / "img8.jpg", "toy/s/c")

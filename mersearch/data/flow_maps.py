"""Flow that was computed elsewhere: pictures and arrays as they occur, brought to the form of the cache.

A map has two or three channels: u (motion to the right), v (down) and optical strain, which is computed from the
two where it is not given. Of an 8-bit picture, red is u, green is v and blue is strain; 128 is no motion and 1 and
255 are the largest to either side, of strain 0 is none and 255 the largest. An array is [C, H, W] or [H, W, C], or
several of these, [K, C, H, W] or [K, H, W, C]: numbers, of which `FlowMaps.scale` is the largest that is kept, or
int8, whose range is the scale, as in the cache itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.counted import counted
from mersearch.data.flow import features, quantise
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import FlowMaps
from mersearch.errors import DataError

Floats = NDArray[np.float32]
PICTURES = frozenset({".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff"})
ARRAYS = frozenset({".npy"})
NUMBERS = (np.float16, np.float32, np.float64, np.int16, np.int32, np.int64)
"""Types of the numbers of an array that need a scale."""
LEAST = 4
"""Pixels of the shorter side of a map."""


class About(NamedTuple):
    """What a file of maps holds: how many, of which size, and whether its range of 8 bits is its scale."""

    maps: int
    height: int
    width: int
    bytes: bool


def flow_facts(path: Path) -> About:
    """What a file holds, by its header alone where it is an array.

    Raises:
        DataError: it is no picture and no array, or one that cannot be flow.
    """
    if path.suffix.lower() in ARRAYS:
        array = _array(path)
        maps, _, height, width = _shape(path, array.shape)
        return About(maps, height, width, array.dtype == np.int8)
    height, width, _ = _picture(path).shape
    if min(height, width) < LEAST:
        raise _no_flow(path, f"{width}×{height} pixels")
    return About(1, height, width, True)


def flow_view(maps: FlowMaps, chosen: Sequence[int], settings: Preprocess, clip_id: str) -> NDArray[np.int8]:
    """The chosen maps (0 = the onset, n = the n-th map) as the cache holds them: int8 [3, T, size, size].

    Raises:
        DataError: a file cannot be read, or holds a number that is none; names the clip, the row and the file.
    """
    rest = np.zeros((3, settings.size, settings.size), dtype=np.int8)
    wanted = set(chosen) - {0}
    seen = {
        number: _stored(shares, settings.size)
        for number, shares in _maps(maps, wanted, settings, clip_id)
        if number in wanted
    }
    return np.stack([seen.get(number, rest) for number in chosen], axis=1)


def require_numbers(maps: FlowMaps, clip_id: str) -> None:
    """Raise DataError unless every map can be read and is finite."""
    for _ in _maps(maps, set(range(1, maps.length + 1)), Preprocess(), clip_id):
        pass


def _maps(
    maps: FlowMaps, wanted: set[int], settings: Preprocess, clip_id: str
) -> Iterator[tuple[int, Floats]]:
    """Number and u, v, strain [3, h, w] as shares of the scale, of the maps that are wanted."""
    stacked = len(maps.files) == 1
    for place, path in enumerate(maps.files, start=1):
        if not stacked and place not in wanted:
            continue
        try:
            values, scaled = _values(path)
            for number, single in enumerate(values, start=place):
                if number in wanted:
                    yield number, _shares(path, single, None if scaled else maps, settings)
        except DataError as error:
            rule = f"the flow of clip {clip_id} ({maps.where}) can be read: {error.rule}"
            raise DataError(rule, received=error.received, fix=error.fix) from error


def _shares(path: Path, values: Floats, maps: FlowMaps | None, settings: Preprocess) -> Floats:
    """[C, h, w] as shares of the largest value; `maps` None: they are shares already."""
    if not np.isfinite(values).all():
        raise DataError(
            "flow holds finite numbers",
            received=f"{path} with {np.count_nonzero(~np.isfinite(values))} that are none (NaN or infinite)",
            fix="compute this map again, or leave the clip out",
        )
    scale = 1.0 if maps is None or maps.scale is None else maps.scale
    if len(values) == 2:
        own = scale * settings.strain_scale / settings.flow_scale * settings.face_size / max(values.shape)
        strain = _strain(values)[None] / own
    else:
        given = maps.strain_scale if maps is not None else None
        strain = values[2:] / (given or scale)
    return np.concatenate([values[:2] / scale, strain]).astype(np.float32)


def _strain(values: Floats) -> Floats:
    """Strain of u, v [2, h, w], in their unit per cell; of a square of the longer side, so that cells are square."""
    side = max(values.shape[1:])
    square = np.stack([_resized(plane, side, side) for plane in values])
    return _resized(features(square, side, side)[2], *values.shape[1:])


def _stored(shares: Floats, size: int) -> NDArray[np.int8]:
    return quantise(np.stack([_resized(plane, size, size) for plane in shares]), 1.0, 1.0)


def _resized(plane: Floats, height: int, width: int) -> Floats:
    """Averages over areas where a grid shrinks, else between its points; the same grid where the size is the same."""
    if plane.shape == (height, width):
        return plane
    shrinks = height <= plane.shape[0] and width <= plane.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (width, height), interpolation=how), dtype=np.float32)


def _values(path: Path) -> tuple[Floats, bool]:
    """The maps of a file [K, C, h, w], and whether they are shares of the largest motion already."""
    if path.suffix.lower() not in ARRAYS:
        blue, green, red = np.moveaxis(_picture(path).astype(np.float32), -1, 0)
        return np.stack([(red - 128) / 127, (green - 128) / 127, blue / 255])[None], True
    array = _array(path)
    shape = _shape(path, array.shape)
    loaded = np.asarray(array, dtype=np.float32)
    stacked = loaded if loaded.ndim == 4 else loaded[None]
    ordered = stacked if stacked.shape[1:] == shape[1:] else np.moveaxis(stacked, -1, 1)
    values = np.ascontiguousarray(ordered)
    return (values / np.float32(127), True) if array.dtype == np.int8 else (values, False)


def _array(path: Path) -> NDArray[np.generic]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fix = "write it with numpy.save, as numbers"
        raise DataError("a file of flow is an array", received=f"{path}: {reason}", fix=fix) from error
    if not isinstance(array, np.ndarray):
        raise DataError("a file of flow is an array", received=f"{path}: a .npz", fix=fix)
    if array.dtype != np.int8 and array.dtype.type not in NUMBERS:
        raise DataError(
            "an array of flow holds int8, whole or floating-point numbers",
            received=f"{path}: {array.dtype}",
            fix="write it as float32",
        )
    return array


def _shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """K, C, h, w of an array; channels may come last."""
    whole = shape if len(shape) == 4 else (1, *shape)
    if len(whole) == 4 and whole[0] > 0:
        for maps, channels, height, width in (whole, (whole[0], whole[3], whole[1], whole[2])):
            if channels in (2, 3) and min(height, width) >= LEAST:
                return maps, channels, height, width
    raise _no_flow(path, f"{list(shape)}")


def _no_flow(path: Path, received: str) -> DataError:
    return DataError(
        "a map of flow has 2 or 3 channels (u, v, strain), first or last, and at least "
        f"{LEAST}×{LEAST} pixels",
        received=f"{path}: {received}",
        fix="write [3, 28, 28], or [K, 3, 28, 28] for K maps of a clip",
    )


def _picture(path: Path) -> NDArray[np.uint8]:
    fix = "copy the file again; deeper or other maps go into a .npy array"
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(
            "a file of flow can be read", received=f"{path}: {error.strerror}", fix=fix
        ) from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if image is None:
        received = f"{path}: {len(data)} bytes that do not decode (truncated or not an image)"
        raise DataError("a file of flow is a picture or an array (.npy)", received=received, fix=fix)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        received = f"{path}: {image.dtype}, {counted(1 if image.ndim == 2 else image.shape[2], 'channel')}"
        raise DataError("a picture of flow has three channels of 8 bits", received=received, fix=fix)
    return np.asarray(image, dtype=np.uint8)

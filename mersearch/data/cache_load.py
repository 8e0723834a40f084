"""Opening finished caches: memory maps and JSON, nothing that reads images or tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mersearch.algorithm import Labels, Shapes
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.cache_index import ARRAYS, Index, joint_digest, read_index
from mersearch.data.clips import Clips, DataSet
from mersearch.data.table import View
from mersearch.errors import DataError


def load(micro: Path, macro: Path | None = None) -> DataSet:
    """The data set in one or two folders that `prepare` filled; arrays are read-only memory maps.

    A view that one of the two lacks is left out of both.

    Raises:
        DataError: a cache is incomplete or damaged, or the two differ in frames or size.
    """
    folders = [micro] if macro is None else [micro, macro]
    indexes = [read_index(folder) for folder in folders]
    if len({index.shape[1:] for index in indexes}) > 1:
        raise DataError(
            "Micro and macro clips have one shape",
            received=" and ".join(f"{index.database} {list(index.shape[1:])}" for index in indexes),
            fix="prepare both with the same settings",
        )
    views = tuple(view for view in ARRAYS if all(view in index.views for index in indexes))
    clips = [_clips(folder, index, views) for folder, index in zip(folders, indexes, strict=True)]
    _, _, frames, size, _ = indexes[0].shape
    shapes = Shapes(
        frames=frames,
        size=size,
        views=views,
        emotions=indexes[0].classes,
        macro_emotions=() if macro is None else indexes[1].classes,
        action_units=ACTION_UNITS,
        subjects=len(clips[0].subjects),
    )
    return DataSet(clips[0], None if macro is None else clips[1], shapes, joint_digest(indexes))


def _clips(folder: Path, index: Index, views: tuple[View, ...]) -> Clips:
    subjects = tuple(sorted({entry.subject for entry in index.entries}))
    return Clips(
        ids=tuple(entry.clip_id for entry in index.entries),
        rgb=_mapped(folder, index, "rgb") if "rgb" in views else None,
        flow=_mapped(folder, index, "flow") if "flow" in views else None,
        labels=_labels(index, subjects),
        subjects=subjects,
    )


def _labels(index: Index, subjects: tuple[str, ...]) -> Labels:
    emotions = {name: number for number, name in enumerate(index.classes)}
    numbers = {name: number for number, name in enumerate(subjects)}
    units = [entry.action_units for entry in index.entries]
    return Labels(
        emotion=np.array([emotions[entry.emotion] for entry in index.entries], dtype=np.int64),
        subject=np.array([numbers[entry.subject] for entry in index.entries], dtype=np.int64),
        action_units=np.array(
            [[unit in (found or ()) for unit in ACTION_UNITS] for found in units], dtype=np.bool_
        ),
        annotated=np.array([found is not None for found in units], dtype=np.bool_),
    )


def _mapped(folder: Path, index: Index, view: View) -> NDArray[Any]:
    name, dtype = ARRAYS[view]
    path, shape = folder / name, index.shape
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            "The arrays of a cache can be read",
            received=f"{path}: {error}",
            fix="prepare the data again; delete the folder if it was damaged",
        ) from error
    if array.shape != shape or array.dtype != dtype:
        raise DataError(
            "The arrays of a cache have the shape of its index",
            received=f"{path}: {array.dtype} {list(array.shape)}, index: {dtype} {list(shape)}",
            fix="delete the folder and prepare the data again",
        )
    return np.asarray(array) if not isinstance(array, np.memmap) else array

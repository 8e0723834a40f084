"""A data set without some of its people, or with some of them taken as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mersearch.algorithm import Labels
from mersearch.data.clips import Clips, DataSet
from mersearch.errors import DataError

T = TypeVar("T", bound=np.generic)


def without(dataset: DataSet, subjects: Sequence[str]) -> DataSet:
    """The data set without every clip of these people, macro clips included; as it is for none.

    Raises:
        DataError: a name that no micro clip has.
    """
    if not subjects:
        return dataset
    require_known(subjects, dataset.micro.subjects)
    kept = {name: name for name in dataset.micro.subjects if name not in subjects}
    micro = _renamed(dataset.micro, kept)
    macro = None
    if dataset.macro is not None:
        others = {name: name for name in dataset.macro.subjects if name not in subjects}
        macro = _renamed(dataset.macro, others)
    shapes = dataclasses.replace(dataset.shapes, subjects=len(micro.subjects))
    return dataclasses.replace(dataset, micro=micro, macro=macro, shapes=shapes)


def merged(dataset: DataSet, subjects: Sequence[str], name: str) -> DataSet:
    """The data set with these people as the one subject `name`, so that they are held out together.

    Raises:
        DataError: a name that no micro clip has.
    """
    require_known(subjects, dataset.micro.subjects)

    def names(clips: Clips) -> dict[str, str]:
        return {each: name if each in subjects else each for each in clips.subjects}

    micro = _renamed(dataset.micro, names(dataset.micro))
    macro = None if dataset.macro is None else _renamed(dataset.macro, names(dataset.macro))
    shapes = dataclasses.replace(dataset.shapes, subjects=len(micro.subjects))
    return dataclasses.replace(dataset, micro=micro, macro=macro, shapes=shapes)


def _renamed(clips: Clips, names: Mapping[str, str]) -> Clips:
    """The clips of the subjects in `names`, under their new names."""
    subjects = tuple(sorted(set(names.values())))
    number = np.array(
        [subjects.index(names[old]) if old in names else -1 for old in clips.subjects], np.int64
    )
    subject = number[clips.labels.subject]
    rows = np.flatnonzero(subject >= 0)
    labels = clips.labels
    return Clips(
        ids=tuple(clips.ids[row] for row in rows),
        rgb=None if clips.rgb is None else _rows(clips.rgb, rows),
        flow=None if clips.flow is None else _rows(clips.flow, rows),
        labels=Labels(
            emotion=labels.emotion[rows],
            subject=subject[rows],
            action_units=labels.action_units[rows],
            annotated=labels.annotated[rows],
        ),
        subjects=subjects,
    )


def _rows(array: NDArray[T], rows: NDArray[np.int64]) -> NDArray[T]:
    """As it is where nothing is left out, so that a memory map stays one."""
    return array if len(rows) == len(array) else array[rows]


def require_known(subjects: Sequence[str], known: Sequence[str]) -> None:
    """Raise DataError for a name that no micro clip has."""
    unknown = [name for name in subjects if name not in known]
    if unknown:
        raise DataError(
            "data.without names subjects of the database",
            received=", ".join(unknown),
            fix=f"subjects: {', '.join(known[:8])}, …",
        )

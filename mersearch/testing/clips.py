"""Small data sets in memory: people whose faces differ, clips whose class shows, noise over both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.algorithm import Labels, Shapes
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.clips import Clips, DataSet

EMOTIONS = ("happiness", "disgust", "surprise", "repression", "sadness", "fear", "others")
MACRO_EMOTIONS = ("happiness", "disgust", "surprise", "fear", "anger", "sadness", "contempt")
GRID = 3
"""A face is GRID × GRID cells that move, or differ between people, as a whole."""


def labels_of(clips: Sequence[int], classes: int, rng: np.random.Generator) -> Labels:
    """`clips[k]` clips of person k; classes take turns within a person; action units at random, or none."""
    subject = np.repeat(np.arange(len(clips)), clips)
    emotion = np.concatenate([(np.arange(n) + k) % classes for k, n in enumerate(clips)])
    units: NDArray[np.bool_] = rng.random((len(subject), len(ACTION_UNITS))) < 0.2
    return Labels(emotion, subject, units, units.sum(1) > 0)


def clips_of(
    labels: Labels, kind: str, frames: int, size: int, signal: float, rng: np.random.Generator
) -> Clips:
    """Clips of people `<kind>/00`, `<kind>/01`, …

    The flow is noise plus `signal` times a pattern of the class. The frames show the person's own face, and change by
    as much as the flow says, from the first frame to the last.

    Args:
        labels: who shows what.
        kind: first part of every name.
        frames: T of a clip.
        size: height and width in pixels.
        signal: 0 = the class does not show.
        rng: draws the noise.
    """
    shape = len(labels), 3, frames, size, size
    moving = signal * _patterns("class", labels.emotion, size)
    face = _patterns(f"face {kind}", labels.subject, size)
    course = np.linspace(0, 1, frames)[:, None, None]
    flow = moving + 30 * rng.standard_normal(shape)
    rgb = 128 + face + course * moving + 5 * rng.standard_normal(shape)
    names = tuple(f"{kind}/{k:02d}" for k in range(int(labels.subject.max()) + 1))
    return Clips(
        ids=tuple(f"{names[k]}/{i:03d}" for i, k in enumerate(labels.subject)),
        rgb=rgb.clip(0, 255).astype(np.uint8),
        flow=flow.clip(-127, 127).astype(np.int8),
        labels=labels,
        subjects=names,
    )


def small_dataset(
    clips: Sequence[int] = (5, 3, 1, 4, 6),
    *,
    classes: int = 3,
    frames: int = 2,
    size: int = 6,
    macro: bool = False,
    signal: float = 1.0,
    seed: int = 0,
) -> DataSet:
    """A data set of `clips[k]` micro clips of person k and, if asked, 14 macro clips of two other people.

    >>> data = small_dataset(macro=True)
    >>> len(data.micro), data.shapes.emotions, data.macro.rgb.shape
    (19, ('happiness', 'disgust', 'surprise'), (14, 3, 2, 6, 6))
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    micro = clips_of(labels_of(clips, classes, rng), "micro", frames, size, signal, rng)
    other = clips_of(labels_of((7, 7), 4, rng), "macro", frames, size, signal, rng) if macro else None
    shapes = Shapes(
        frames=frames,
        size=size,
        views=("rgb", "flow"),
        emotions=EMOTIONS[:classes],
        macro_emotions=MACRO_EMOTIONS[:4] if macro else (),
        action_units=ACTION_UNITS,
        subjects=len(clips),
    )
    return DataSet(micro, other, shapes, digest="small")


def _patterns(purpose: str, which: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """±30 in every cell and channel of a face [N, 3, 1, size, size], the same for equal numbers of `which`."""
    cells = np.stack(
        [
            seeds.generator(purpose, n).choice([-30.0, 30.0], size=(3, 1, GRID, GRID))
            for n in range(which.max() + 1)
        ]
    )
    place = np.arange(size) * GRID // size
    grown: NDArray[np.float64] = cells[which][..., place[:, None], place]
    return grown

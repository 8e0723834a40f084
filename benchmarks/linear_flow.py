"""The baseline of the synthetic data: a linear support vector machine on onset–apex flow, leave one subject out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mersearch import metrics
from mersearch.data import flow
from mersearch.data.images import read_image
from mersearch.data.readers import read_micro
from mersearch.data.table import Clip

GRID, FACE, SCALE = 28, 128, 3.0
"""Side of the flow map, width of the face in pixels, clipping of the flow in those pixels."""


@dataclass(frozen=True, slots=True)
class Features:
    """Flow features of a database.

    Attributes:
        ids: clip ids [N].
        x: u and v (and strain), float32 [N, C·28·28].
        labels: index into `classes` [N].
        subjects: subject of each clip [N].
        classes: the label set, in the order of the labels.
    """

    ids: tuple[str, ...]
    x: NDArray[np.float32]
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_]
    classes: tuple[str, ...]


def features(
    root: Path,
    database: str = "casme2",
    label_set: str = "casme2-5",
    *,
    size: int = 224,
    strain: bool = False,
) -> Features:
    """Onset–apex flow of every clip of a database whose frames are face crops already.

    Args:
        root: database root.
        database: name of its reader.
        label_set: name of the label set.
        size: side of the picture, in pixels, at which the flow is computed.
        strain: whether optical strain is a third channel.
    """
    table = read_micro(database, root, label_set)
    maps = [_flow(clip, size)[: 3 if strain else 2].ravel() for clip in table.clips]
    return Features(
        ids=tuple(clip.clip_id for clip in table.clips),
        x=np.stack(maps),
        labels=np.array([table.classes.index(clip.emotion) for clip in table.clips], dtype=np.int64),
        subjects=np.array([clip.subject for clip in table.clips]),
        classes=table.classes,
    )


def loso_predictions(
    x: NDArray[np.float32], labels: NDArray[np.int64], subjects: NDArray[np.str_], *, C: float = 1e-3
) -> NDArray[np.int64]:
    """Predicted label [N] of each clip by a machine that saw no clip of its subject.

    Args:
        x: features [N, D]; standardised with the training clips of the fold.
        labels: true labels [N].
        subjects: subject of each clip [N].
        C: inverse strength of the regularisation.
    """
    predictions = np.full(len(labels), -1, dtype=np.int64)
    for subject in np.unique(subjects):
        test = subjects == subject
        machine = make_pipeline(StandardScaler(), LinearSVC(C=C, class_weight="balanced", random_state=0))
        machine.fit(x[~test], labels[~test])
        predictions[test] = machine.predict(x[test])
    return predictions


def pooled_uf1(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> float:
    """UF1 of the confusion pooled over all folds."""
    return metrics.uf1(metrics.confusion(labels, predictions, classes))


def _flow(clip: Clip, size: int) -> NDArray[np.float32]:
    """Flow from onset to apex, as the linear machine reads it."""
    onset, apex = (_face(clip, place, size) for place in (clip.onset, clip.apex))
    maps = flow.features(flow.optical_flow(onset, apex), GRID, FACE)
    maps[:2] = np.clip(maps[:2], -SCALE, SCALE)
    return maps


def _face(clip: Clip, place: int, size: int) -> NDArray[np.uint8]:
    """A frame as a grey picture of `size` by `size`."""
    picture = cv2.cvtColor(read_image(clip.frames[place], clip.clip_id), cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)

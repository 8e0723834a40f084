"""Leave-one-subject-out folds in one frozen order, and the guarantee that a fold never trains on its subject.

The order is coverage greedy: with few folds finished, as many clips of every class as possible have been
predicted, so that a partial score ranks configurations like the full one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import InitVar, dataclass

import numpy as np
from numpy.typing import NDArray

from mersearch.algorithm import Labels
from mersearch.counted import counted
from mersearch.data.clips import Clips, DataSet
from mersearch.data.table import database_of
from mersearch.errors import DataError


@dataclass(frozen=True, slots=True)
class People:
    """The subject of every clip, by name: what a fold is checked against."""

    micro: tuple[str, ...]
    macro: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: DataSet) -> People:
        """The people of a data set, in the order of its clips."""
        return cls(_names(dataset.micro), _names(dataset.macro) if dataset.macro else ())


@dataclass(frozen=True, slots=True)
class Fold:
    """One held-out subject. Positions index the micro clips (`train`, `test`) and the macro clips (`macro`).

    The constructor compares people, not positions: `train` and `macro` hold no clip of `subject`, `test` holds
    only its clips, and every micro clip is in exactly one of the two. The arrays are copies, and read-only.

    Raises:
        DataError: a position breaks one of these rules.
    """

    subject: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    macro: NDArray[np.int64]
    people: InitVar[People]

    def __post_init__(self, people: People) -> None:
        for name in ("train", "test", "macro"):
            positions = np.array(getattr(self, name), np.int64)
            positions.setflags(write=False)
            object.__setattr__(self, name, positions)
        trained = {people.micro[i] for i in self.train} | {people.macro[i] for i in self.macro}
        if self.subject in trained:
            raise DataError(
                "a fold never trains on a clip of its own subject",
                received=f"subject {self.subject} among the training clips",
                fix="build folds with mersearch.data.folds.folds",
            )
        held_out = {people.micro[i] for i in self.test}
        covered = np.sort(np.concatenate([self.train, self.test]))
        if held_out != {self.subject} or not np.array_equal(covered, np.arange(len(people.micro))):
            raise DataError(
                "a fold tests all clips of its subject, and trains on all others",
                received=f"fold {self.subject}: {len(self.train)} + {len(self.test)} of {len(people.micro)} clips",
                fix="build folds with mersearch.data.folds.folds",
            )


def fold_order(labels: Labels, subjects: Sequence[str]) -> tuple[str, ...]:
    """The subjects that have clips, in coverage-greedy order.

    With n_ky clips of class y held by subject k, tot_y = Σ_k n_ky and cov_y the clips of the subjects already
    placed, the next subject maximises Σ_y √((cov_y + n_ky) / tot_y). Ties: the larger n_k = Σ_y n_ky, then the
    smaller SHA-256 of the subject's name. A pure function of the label counts: no score enters. Where the subjects
    are of several databases, y stands for a class of one database, so that none of them comes last.

    Args:
        labels: labels of all micro clips.
        subjects: names; `labels.subject` indexes into it.
    """
    counts = _counts(labels, subjects)
    totals = counts.sum(0)
    left = [k for k in range(len(subjects)) if counts[k].any()]
    covered = np.zeros_like(totals)
    order: list[str] = []
    while left:
        best = min(
            left,
            key=lambda k: (-_coverage(covered + counts[k], totals), -counts[k].sum(), _sha256(subjects[k])),
        )
        order.append(subjects[best])
        covered = covered + counts[best]
        left.remove(best)
    return tuple(order)


def require_subjects(subjects: Sequence[str]) -> None:
    """Raise DataError where leave-one-subject-out is not possible with the subjects of the clips."""
    if len(subjects) < 2:
        raise DataError(
            "leaving one subject out needs at least two subjects",
            received=f"{counted(len(subjects), 'subject')}: {', '.join(subjects) or 'none'}",
            fix="use a database, a label set or a number of synthetic subjects with at least two",
        )


def folds(dataset: DataSet) -> tuple[Fold, ...]:
    """One fold per subject, in the frozen order.

    Macro clips of the held-out person are left out too (CK+ shares nobody with a micro-expression database;
    MMEW's macro half does).

    Raises:
        DataError: fewer than two subjects have clips.
    """
    people = People.of(dataset)
    order = fold_order(dataset.micro.labels, dataset.micro.subjects)
    require_subjects(order)
    micro, macro = np.array(people.micro), np.array(people.macro, dtype=np.str_)
    return tuple(
        Fold(
            subject,
            train=np.flatnonzero(micro != subject),
            test=np.flatnonzero(micro == subject),
            macro=np.flatnonzero(macro != subject),
            people=people,
        )
        for subject in order
    )


def _names(clips: Clips) -> tuple[str, ...]:
    return tuple(clips.subjects[k] for k in clips.labels.subject)


def _counts(labels: Labels, subjects: Sequence[str]) -> NDArray[np.int64]:
    """n [K, D · L]: clips per subject and class, the classes of D databases apart."""
    classes = int(labels.emotion.max(initial=-1)) + 1
    names, database = np.unique([database_of(name) for name in subjects], return_inverse=True)
    counts = np.zeros((len(subjects), len(names) * classes), np.int64)
    np.add.at(counts, (labels.subject, database[labels.subject] * classes + labels.emotion), 1)
    return counts


def _coverage(clips: NDArray[np.int64], totals: NDArray[np.int64]) -> float:
    """Σ_y √(clips_y / tot_y), correctly rounded, so that equal counts tie on every machine."""
    return math.fsum(math.sqrt(c / t) for c, t in zip(clips.tolist(), totals.tolist(), strict=True) if t)


def _sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()

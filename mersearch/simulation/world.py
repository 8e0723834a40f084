"""Invented searches: databases with the subject and class counts of real ones, and configurations of known worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.algorithm import Labels
from mersearch.data.folds import fold_order
from mersearch.data.synthetic import population
from mersearch.metrics import METRICS
from mersearch.space import Float, Space
from mersearch.store import FoldPlan, FoldRecord, Parameters, configuration

Counts = NDArray[np.int64]
PEOPLE = 300
"""Further people on whom the worth of a configuration is measured."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How many people and clips of each class a database has.

    Attributes:
        subjects: K.
        classes: name → clips.
        spread: standard deviation of the logarithm of the clips per subject.
        most: clips of the largest subject.
        habit: evenness of a subject's classes, smaller is more uneven.
    """

    subjects: int
    classes: Mapping[str, int]
    spread: float = 0.78
    most: int = 35
    habit: float = 0.7


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "casme2-5": Layout(
            26, {"happiness": 32, "disgust": 63, "repression": 27, "surprise": 25, "others": 99}
        ),
        "megc2019": Layout(68, {"negative": 250, "positive": 109, "surprise": 83}),
    }
)
"""Label set → counts: CASME II with five classes (246 clips), the MEGC 2019 composite (442 clips of 68 subjects)."""

SPACE = Space(tuple(Float(f"algorithm.x{i}", 0.0, 1.0) for i in range(3)))
"""What is searched in a world."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of the logits of a world.

    Attributes:
        trial: of a configuration, per pair of classes: a habit that its parameters do not explain.
        subject: of a subject's difficulty, the same for every configuration.
        pair: of a subject, per pair of classes, the same for every configuration.
        both: of a configuration on a subject, per pair of classes.
    """

    trial: float = 0.25
    subject: float = 0.6
    pair: float = 0.4
    both: float = 1.2


NOISE = Noise()


@dataclass(frozen=True, slots=True)
class Crowd:
    """People: difficulty s [n], and habits P [n, L, L]."""

    name: str
    easy: NDArray[np.float64]
    pairs: NDArray[np.float64]


class World:
    """Folds of every configuration of `SPACE`, drawn from seeds, so that each has one truth and one outcome.

    A clip of class y of subject k is predicted as j with the softmax over j of

        1(y = j) (base + reach · worth(c) + s_k) + P_k[y, j] + A_c[y, j] + B_ck[y, j],

    where worth(c) falls with the squared distance of the parameters from the world's optimum. The truth of c is the
    metric of its expected confusion over `PEOPLE` further people.

    Args:
        seed: another world for another seed.
        layout: of the database.
        chunk: folds between two reports.
        shuffled: folds in random order instead of the frozen one; nothing else changes.
        base: logit of the right class at the optimum.
        reach: logits per unit of worth.
        noise: the random parts.
    """

    space = SPACE

    def __init__(
        self,
        seed: int,
        layout: Layout,
        *,
        chunk: int = 1,
        shuffled: bool = False,
        base: float = 2.2,
        reach: float = 2.0,
        noise: Noise = NOISE,
    ) -> None:
        self._seed = seed
        self._base, self._reach, self._noise = base, reach, noise
        self._clips = _clips(seed, layout)
        self._subjects = tuple(f"s{k:03d}" for k in range(layout.subjects))
        order = (
            _random_order(seed, self._subjects) if shuffled else _frozen_order(self._clips, self._subjects)
        )
        counts = tuple(tuple(self._clips[self._subjects.index(name)].tolist()) for name in order)
        self.plan = FoldPlan(order, chunk, tuple(layout.classes), counts)
        self._own = self._crowd("own", layout.subjects)
        self._further = self._crowd("further", PEOPLE)
        self._optimum = self._draw("optimum").uniform(0.2, 0.8, len(SPACE.parameters))
        self._known: dict[str, Counts] = {}
        self._times: dict[str, float] = {}

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        """The predictions of one held-out subject; one-hot logits."""
        outcome = self.outcome(parameters)[self._subjects.index(subject)]
        classes = len(outcome)
        labels = np.repeat(np.arange(classes), outcome.sum(1))
        predicted = np.repeat(np.tile(np.arange(classes), classes), outcome.ravel())
        logits = np.eye(classes, dtype=np.float32)[predicted]
        clips = tuple(f"{subject}/{i}" for i in range(len(labels)))
        seconds = self._time(configuration(parameters))
        chunk = self.plan.subjects.index(subject) // self.plan.chunk
        return FoldRecord(
            trial, subject, chunk, 0, seconds, "simulated", clips, tuple(labels.tolist()), logits
        )

    def outcome(self, parameters: Parameters) -> Counts:
        """Confusion counts [K, L, L] of every subject, in the order of their names."""
        key = configuration(parameters)
        if key not in self._known:
            chances = self._chances(parameters, self._own)
            self._known[key] = self._draw("clips", key).multinomial(self._clips, chances)
        return self._known[key]

    def truth(self, parameters: Parameters, metric: str) -> float:
        """The metric over further people, with the class counts of the database."""
        rates = self._chances(parameters, self._further).mean(0)
        return METRICS[metric](rates * self._clips.sum(0)[:, None])

    def _time(self, key: str) -> float:
        """Seconds of every fold of a configuration."""
        if key not in self._times:
            self._times[key] = float(np.exp(self._draw("time", key).normal(0, 0.4)))
        return self._times[key]

    def _chances(self, parameters: Parameters, crowd: Crowd) -> NDArray[np.float64]:
        """Chance [n, L, L] that a clip of class y of a person is predicted as j."""
        key, shape = configuration(parameters), crowd.pairs.shape
        habit = self._draw("trial", key).normal(0, self._noise.trial, shape[1:])
        both = self._draw("both", crowd.name, key).normal(0, self._noise.both, shape)
        level = self._base + self._reach * self._worth(parameters) + crowd.easy
        logits = level[:, None, None] * np.eye(shape[1]) + crowd.pairs + habit + both
        rates = np.exp(logits - logits.max(2, keepdims=True))
        return np.asarray(rates / rates.sum(2, keepdims=True), np.float64)

    def _worth(self, parameters: Parameters) -> float:
        """Minus the squared distance from the optimum."""
        point = np.array([float(parameters[dimension.path] or 0) for dimension in SPACE.parameters])
        return float(-((point - self._optimum) ** 2).sum())

    def _crowd(self, name: str, people: int) -> Crowd:
        values = self._draw("crowd", name).normal(size=(people, 1 + self._clips.shape[1] ** 2))
        pairs = values[:, 1:].reshape(people, self._clips.shape[1], -1) * self._noise.pair
        return Crowd(name, values[:, 0] * self._noise.subject, pairs)

    def _draw(self, *axes: str) -> np.random.Generator:
        return seeds.generator("world", self._seed, *axes)


def _clips(seed: int, layout: Layout) -> Counts:
    """Clips [K, L] per subject and class: skewed over both."""
    rng = seeds.generator("world", seed, "database")
    total = sum(layout.classes.values())
    mean = total / layout.subjects
    sizes = population.subject_sizes(layout.subjects, total, mean, layout.spread, layout.most, rng)
    given = population.assign(sizes, layout.classes, tuple(layout.classes), layout.habit, rng)
    return np.array([[mine.count(name) for name in layout.classes] for mine in given], np.int64)


def _frozen_order(clips: Counts, subjects: tuple[str, ...]) -> tuple[str, ...]:
    """The order that a run of these clips would have."""
    who, what = np.nonzero(clips)
    times = clips[who, what]
    none = np.zeros((int(times.sum()), 1), bool)
    labels = Labels(np.repeat(what, times), np.repeat(who, times), none, none[:, 0])
    return fold_order(labels, subjects)


def _random_order(seed: int, subjects: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(subjects[k] for k in seeds.generator("world", seed, "order").permutation(len(subjects)))

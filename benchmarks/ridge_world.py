"""A small model that is really trained leave one subject out: ridge on random features of invented people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.metrics import METRICS, confusion
from mersearch.space import Float, Int, Space
from mersearch.store import FoldPlan, FoldRecord, Parameters, configuration

Array = NDArray[np.float64]
SUBJECTS, CLASSES, INPUTS, FURTHER = 26, 3, 20, 3000
"""FURTHER people give the truth: so many that their own chance is small beside an interval."""
SHARES = (0.55, 0.25, 0.2)
SIGNAL, PERSON, HABIT = 0.45, 0.8, 0.5
"""Length of a class's direction; of a person's offset; of a person's own way of showing a class. Chosen on the seeds
5000 to 5059, with the number of features, so that the best of 100 looks at least 0.05 better than it is."""


class RidgeWorld:
    """Configurations of a random-feature ridge classifier, its folds trained when they are read first.

    Parameters: strength of the ridge, scale and number of the random features; their draw is part of a configuration,
    as the seed of a network is. A table as `mersearch.simulation.World`.
    """

    space = Space(
        (
            Float("algorithm.ridge", 0.1, 100.0, log=True),
            Float("algorithm.scale", 0.02, 0.5, log=True),
            Int("algorithm.width", 4, 16),
        )
    )

    def __init__(self, seed: int) -> None:
        rng = seeds.generator("ridge", seed)
        self._seed, self._directions = seed, rng.normal(0, SIGNAL, (CLASSES, INPUTS))
        self._inputs, self._labels, self._people = self._draw(rng, SUBJECTS)
        self._far = self._draw(rng, FURTHER)
        subjects = tuple(f"s{k:03d}" for k in range(SUBJECTS))
        counts = [np.bincount(self._labels[self._people == k], minlength=CLASSES) for k in range(SUBJECTS)]
        order = sorted(range(SUBJECTS), key=lambda k: -int(counts[k].sum()))
        self.plan = FoldPlan(
            tuple(subjects[k] for k in order),
            1,
            ("a", "b", "c"),
            tuple(tuple(counts[k].tolist()) for k in order),
        )

    def fold(self, trial: int, parameters: Parameters, subject: str) -> FoldRecord:
        """Predictions for the held-out subject of a model that was trained without it."""
        person = int(subject[1:])
        inside = self._people == person
        features = self._features(parameters, self._inputs)
        weights = self._fit(features[~inside], self._labels[~inside], parameters)
        order = np.argsort(self._labels[inside], kind="stable")
        logits = (features[inside] @ weights)[order].astype(np.float32)
        labels = tuple(self._labels[inside][order].tolist())
        clips = tuple(f"{subject}/{i}" for i in range(len(labels)))
        place = self.plan.subjects.index(subject)
        return FoldRecord(trial, subject, place, 0, 1.0, "simulated", clips, labels, logits)

    def truth(self, parameters: Parameters, metric: str) -> float:
        """The metric over many further people of the model that was trained on all subjects but one, on average."""
        inputs, labels, _ = self._far
        features, far = self._features(parameters, self._inputs), self._features(parameters, inputs)
        counts = np.zeros((CLASSES, CLASSES))
        for person in range(SUBJECTS):
            inside = self._people == person
            weights = self._fit(features[~inside], self._labels[~inside], parameters)
            counts += confusion(labels, (far @ weights).argmax(1), CLASSES)
        shares = np.bincount(self._labels, minlength=CLASSES)[:, None]
        return METRICS[metric](counts / counts.sum(1, keepdims=True) * shares)

    def _draw(
        self, rng: np.random.Generator, people: int
    ) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
        """Inputs, labels and person of every clip."""
        sizes = np.clip(np.round(9 * rng.lognormal(-0.3, 0.78, people)), 2, 35).astype(int)
        who = np.repeat(np.arange(people), sizes)
        labels = rng.choice(CLASSES, len(who), p=SHARES)
        offsets = rng.normal(0, PERSON, (people, INPUTS))
        habits = rng.normal(0, HABIT, (people, CLASSES, INPUTS))
        inputs = self._directions[labels] + offsets[who] + habits[who, labels]
        return inputs + rng.normal(0, 1, inputs.shape), labels, who

    def _features(self, parameters: Parameters, inputs: Array) -> Array:
        """cos(x W + b), and a constant."""
        rng = seeds.generator("ridge", self._seed, "features", configuration(parameters))
        width, scale = int(parameters["algorithm.width"] or 0), float(parameters["algorithm.scale"] or 0)
        weights, phase = rng.normal(0, scale, (INPUTS, width)), rng.uniform(0, 2 * np.pi, width)
        return np.hstack([np.cos(inputs @ weights + phase), np.ones((len(inputs), 1))])

    def _fit(self, features: Array, labels: NDArray[np.int64], parameters: Parameters) -> Array:
        """Ridge on one-hot targets, clips weighted by the inverse frequency of their class."""
        weight = (
            (1 / np.maximum(1, np.bincount(labels, minlength=CLASSES)))[labels][:, None]
            * len(labels)
            / CLASSES
        )
        ridge = float(parameters["algorithm.ridge"] or 0) * np.eye(features.shape[1]) * 0.1
        targets = np.eye(CLASSES)[labels]
        return np.asarray(
            np.linalg.solve(features.T @ (features * weight) + ridge, features.T @ (targets * weight))
        )

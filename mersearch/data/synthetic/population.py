"""Who has how many clips of which class: skewed over classes and over subjects, as in the real databases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def subject_sizes(
    subjects: int, total: int | None, mean: float, spread: float, most: int, rng: np.random.Generator
) -> list[int]:
    """Clips per subject: quantiles of a log-normal law in random order, from 2 (1 if `total` is small) to `most`.

    Args:
        subjects: number of people.
        total: sum of the sizes; None lets the law decide.
        mean: clips per subject of the law.
        spread: standard deviation of the logarithm.
        most: largest size of the law.
        rng: draws who is who.
    """
    least = 2 if total is None or total >= 2 * subjects else 1
    places = [NormalDist().inv_cdf((i + 0.5) / subjects) for i in range(subjects)]
    law = np.clip(mean * np.exp(spread * np.array(places) - spread**2 / 2), least, most)
    sizes = largest_remainder(law, round(float(law.sum())) if total is None else total)
    while sizes.min() < least:
        sizes[sizes.argmax()] -= 1
        sizes[sizes.argmin()] += 1
    return [int(n) for n in rng.permutation(sizes)]


def class_sizes(counts: Mapping[str, int], total: int, least: Mapping[str, int]) -> dict[str, int]:
    """Clips per class in proportion to `counts`, at least `least` where given, taken from the largest class."""
    shares = largest_remainder(np.array(list(counts.values()), dtype=np.float64), total)
    sizes = dict(zip(counts, (int(n) for n in shares), strict=True))
    for name, minimum in least.items():
        while sizes[name] < minimum:
            largest = max(sizes, key=lambda key: sizes[key])
            if sizes[largest] <= minimum:
                break
            sizes[largest] -= 1
            sizes[name] += 1
    return sizes


def assign(
    sizes: list[int],
    classes: Mapping[str, int],
    spread: Collection[str],
    habit: float,
    rng: np.random.Generator,
) -> list[list[str]]:
    """A list of classes per subject, `sizes` long, in random order.

    Args:
        sizes: clips per subject.
        classes: clips per class, with the same sum.
        spread: classes that must reach two subjects if they have two clips.
        habit: shape of the gamma law of how much a subject is given to a class; small is more uneven.
        rng: draws it all.
    """
    room = np.array(sizes)
    taste = rng.gamma(habit, size=(len(sizes), len(classes))) + 0.02
    names = list(classes)
    given: list[list[str]] = [[] for _ in sizes]
    todo = dict(classes)
    for name in (n for n in names if n in spread and todo[n] and room.any()):
        wanted = min(2, todo[name], int((room > 0).sum()))
        odds = _odds(room, taste[:, names.index(name)])
        for who in rng.choice(len(sizes), size=wanted, replace=False, p=odds):
            _give(given, room, todo, int(who), name)
    for name in sorted(names, key=lambda n: todo[n]):
        while todo[name]:
            _give(
                given,
                room,
                todo,
                int(rng.choice(len(sizes), p=_odds(room, taste[:, names.index(name)]))),
                name,
            )
    return [[mine[i] for i in rng.permutation(len(mine))] for mine in given]


def largest_remainder(weights: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Whole numbers with the given sum, as near to proportional to `weights` as rounding allows."""
    exact = weights / weights.sum() * total
    out: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - out), kind="stable")
    out[order[: total - int(out.sum())]] += 1
    return out


def _odds(room: NDArray[np.int64], taste: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = room * taste
    return np.asarray(odds / odds.sum(), dtype=np.float64)


def _give(given: list[list[str]], room: NDArray[np.int64], todo: dict[str, int], who: int, name: str) -> None:
    given[who].append(name)
    room[who] -= 1
    todo[name] -= 1

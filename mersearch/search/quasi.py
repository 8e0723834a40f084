"""Points that fill a search space evenly, whatever the scores are: a scrambled Halton sequence.

Halton, Numerische Mathematik 2, 1960, with the digits of every base permuted at random (Owen, arXiv 1706.02808). Of
the first b points, each interval [i/b, (i + 1)/b) of the axis with base b has exactly one.
"""

from __future__ import annotations

import math
from typing import Final

from mersearch import seeds
from mersearch.space import Choice, Dimension, Space, Value, is_active
from mersearch.store import Parameters

PRECISION: Final = 1e-12
"""Digits that are worth less are left out."""


def quasi_point(space: Space, number: int, *, seed: int, given: Parameters | None = None) -> Parameters:
    """The `number`-th point of the sequence with the `given` values in it, active parameters only.

    Every parameter of the space has an axis of its own, whether it is active or not, so that the points are even
    under every condition.
    """
    values: Parameters = {}
    known = given or {}
    for axis, dimension in enumerate(space.parameters):
        path = dimension.path
        if is_active(dimension, values):
            values[path] = (
                known[path] if path in known else place(dimension, coordinate(number, prime(axis), seed))
            )
    return values


def coordinate(number: int, base: int, seed: int) -> float:
    """Σ_d π_d(a_d) / base^(d + 1) in [0, 1), for number = Σ_d a_d base^d and random permutations π_d of the digits.

    The digits behind the last one of `number` are permuted too: 0 is not mapped to 0.
    """
    value, weight, digit = 0.0, 1.0 / base, 0
    while weight > PRECISION:
        permutation = seeds.generator("halton", seed, base, digit).permutation(base)
        value += weight * int(permutation[number % base])
        number, weight, digit = number // base, weight / base, digit + 1
    return min(value, math.nextafter(1.0, 0.0))


def place(dimension: Dimension, share: float) -> Value:
    """The value of a parameter at `share` of its range, in [0, 1).

    Grid values and choices have equal parts of it; on a logarithmic scale, whole numbers n have log((n + ½)/(n − ½)).
    """
    if isinstance(dimension, Choice):
        return dimension.choices[int(share * len(dimension.choices))]
    low, high, step = dimension.low, dimension.high, dimension.step
    whole = isinstance(low, int) and isinstance(high, int) and isinstance(step, int)
    if dimension.log:
        edge = 0.5 if whole else 0.0
        value = math.exp(math.log(low - edge) + share * (math.log(high + edge) - math.log(low - edge)))
        return min(max(low, round(value)), high) if whole else min(max(low, value), high)
    if step is None:
        return min(low + share * (high - low), high)
    steps = int(share * (round((high - low) / step) + 1))
    return low + steps * step if whole else min(low + steps * step, high)


def prime(place: int) -> int:
    """The prime number at `place`, from 2 at 0.

    >>> [prime(place) for place in range(5)]
    [2, 3, 5, 7, 11]
    """
    found: list[int] = []
    candidate = 2
    while len(found) <= place:
        if all(candidate % other for other in found):
            found.append(candidate)
        candidate += 1
    return found[place]

"""Student's t distribution for whole degrees of freedom, without SciPy."""

from __future__ import annotations

import math
from functools import lru_cache


def probability(t: float, freedom: int) -> float:
    """P(T ≤ t) of Student's t with ν = `freedom` ≥ 1 degrees of freedom.

    With θ = arctan(t/√ν), P(|T| ≤ t) is a finite sum of powers of cos θ (Abramowitz and Stegun, 26.7.3 and 26.7.4):
    odd ν: (2/π) (θ + sin θ (cos θ + 2/3 cos³ θ + … + 2·4…(ν−3) / (1·3…(ν−2)) cos^(ν−2) θ)), only θ for ν = 1;
    even ν: sin θ (1 + 1/2 cos² θ + … + 1·3…(ν−3) / (2·4…(ν−2)) cos^(ν−2) θ).
    """
    theta = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(theta), freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for power in range(1 if odd else 0, freedom - 1, 2):
        total += term
        term *= (power + 1) / (power + 2) * cosine**2
    inside = math.sin(theta) * total
    return 0.5 + ((theta + inside) / math.pi if odd else inside / 2)


@lru_cache(maxsize=4096)
def quantile(chance: float, freedom: int) -> float:
    """The t with P(T ≤ t) = `chance`, in (0, 1), by bisection to the last bits.

    >>> round(quantile(0.975, 25), 4)
    2.0595
    """
    if not 0 < chance < 1 or freedom < 1:
        raise ValueError(f"a chance in (0, 1) and at least one degree of freedom: {chance}, {freedom}")
    if chance < 0.5:
        return -quantile(1 - chance, freedom)
    low, high = 0.0, 1.0
    while probability(high, freedom) < chance:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if probability(middle, freedom) < chance else (low, middle)
    return high

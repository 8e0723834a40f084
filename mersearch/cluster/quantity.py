"""Quantities as Kubernetes writes them."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    "": 1.0,
    "m": 1e-3,
    **{unit: 1000.0**power for power, unit in enumerate("kMGTP", 1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTP", 1)},
}


def quantity(text: object) -> float | None:
    """The number that a quantity stands for; None where it is none.

    >>> quantity("500m"), quantity("16Gi"), quantity(2)
    (0.5, 17179869184.0, 2.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]*)", str(text))
    unit = _UNITS.get(found[2]) if found else None
    return float(found[1]) * unit if found and unit else None

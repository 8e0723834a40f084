"""Times as people write them in a configuration: `3h50m`, `90m`, `1d12h`."""

from __future__ import annotations

import re
from typing import Final

from mersearch.errors import ConfigError

UNITS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
LONGEST: Final = 36500 * UNITS["d"]
"""A hundred years; more is a slip of the pen, and beyond what clocks can add up."""
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds(key: str, text: str) -> float:
    """The seconds of a time of days, hours, minutes and seconds, each at most once and in this order.

    >>> seconds("search.time_budget", "1h30m")
    5400.0

    Raises:
        ConfigError: it is not written so, is no time at all, or is above `LONGEST`; `key` is named.
    """
    parts = _PART.findall(text)
    order = [list(UNITS).index(unit) for _, unit in parts]
    total = sum(float(number) * UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or order != sorted(set(order)) or total <= 0:
        raise ConfigError(
            f"{key} must be a time above 0 with its units", received=repr(text), fix=f"as in {key}=3h50m"
        )
    if total > LONGEST:
        raise ConfigError(
            f"{key} must be {LONGEST / UNITS['d']:.0f}d at the most",
            received=repr(text),
            fix=f"as in {key}=3h50m; {key}=null for no limit",
        )
    return total

"""How many cores there are to work with."""

from __future__ import annotations

import os


def local_cores() -> int:
    """Cores that this process may use: those of the machine, or fewer where it is bound to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

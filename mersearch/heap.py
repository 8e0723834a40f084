"""Memory that tensors free stays with the process."""

from __future__ import annotations

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_ENDLESS = 2**31 - 1


def keep_freed() -> bool:
    """Keep memory that is freed for what is allocated next; whether the C library takes the hint: glibc does.

    By itself glibc asks the system for every block of more than 32 MiB and gives it back when it is freed. The system
    clears it page by page each time: with clips of 16×112×112 and two processes side by side that took half of their
    processor time (benchmarks/results/kept_memory.md).

    Source: mallopt(3), `M_MMAP_MAX` and `M_TRIM_THRESHOLD`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _ENDLESS))

"""Memory that tensors free stays with the process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = -1


def keep_freed() -> bool:
    """Keep memory that is freed for what is allocated next; whether the C library takes the hint: glibc does.

    By itself glibc asks the system for every block of more than 32 MiB and gives it back when it is freed. The system
    clears it page by page each time: with clips of 16×112×112 and two processes side by side that took half of their
    processor time (benchmarks/results/kept_memory.md).

    Source: mallopt(3), `M_MMAP_MAX` and `M_TRIM_THRESHOLD`.
    """
    mallopt = _of_library("mallopt")
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))


def give_back() -> None:
    """Give the memory that is kept and not used back to the system. Source: malloc_trim(3)."""
    trim = _of_library("malloc_trim")
    if trim is not None:
        trim(0)


def _of_library(name: str) -> Callable[..., int] | None:
    """A function of the C library of this process, where it has one of this name."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None

"""How much memory there is, and how much the training of folds takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from mersearch.heap import give_back

_GROUP = Path("/sys/fs/cgroup")


def available(device: torch.device) -> int:
    """Bytes that may still be taken: free memory of the card; else of the machine or of this container, if less.

    Blocks that torch keeps on the card without using them are free to this process.
    """
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return min(_of_machine(), _of_container())


def release() -> None:
    """Give what this process keeps without using it back to others: memory, and blocks that torch has on cards."""
    give_back()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


def held(device: torch.device) -> int:
    """Bytes of the card that tensors of this process take now."""
    return int(torch.cuda.memory_allocated(device))


def card_peak(device: torch.device, work: Callable[[], object]) -> int:
    """Bytes that `work` adds at its peak to what is allocated on the card."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device)) - before


def resident_peak(pid: int | None = None) -> int:
    """The most memory that a process (this one by default) has ever had resident, in bytes."""
    for line in Path(f"/proc/{os.getpid() if pid is None else pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/{pid}/status names no VmHWM")


def _of_machine() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise ValueError("/proc/meminfo names no MemAvailable")


def _of_container() -> int:
    """What a control group leaves; as good as endless where there is none. Files it may forget count as free."""
    limit, used = _GROUP / "memory.max", _GROUP / "memory.current"
    if not limit.is_file() or not used.is_file() or (text := limit.read_text().strip()) == "max":
        return 2**62
    return max(0, int(text) - int(used.read_text()) + _forgettable())


def _forgettable() -> int:
    """Bytes of files in the memory of the control group that nobody has read lately."""
    stat = _GROUP / "memory.stat"
    for line in stat.read_text().splitlines() if stat.is_file() else ():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0

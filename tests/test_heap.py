"""A process that trains keeps the memory that it frees."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from mersearch.heap import keep_freed
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**26, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults())
assert keep_freed()
print(faults(), faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked")
def test_a_large_block_is_cleared_by_the_system_once_and_not_again_in_every_step() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    (_, again), (_, kept) = (map(int, line.split()) for line in done.stdout.splitlines())
    pages = 2**26 // 4096
    assert again >= pages / 512, "without the hint, huge pages at best"
    assert kept < pages / 512

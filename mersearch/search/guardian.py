"""A small process beside a private Ray: when the search's process is gone, it ends what Ray left behind.

After `kill -9` of the driver, Ray's agents live on for a minute and the temporary folder for ever. Started as
`python -I guardian.py FOLDER PID`, this script waits for the end of its standard input, which comes when the
driver closes it or dies, then ends every process but PID that holds a file of FOLDER open for writing, and
removes FOLDER. It needs the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 10.0
"""Seconds for killed processes to disappear."""
_PROC = Path("/proc")


def writers(folder: Path, proc: Path = _PROC) -> Iterator[int]:
    """Process ids that hold a file under `folder` open for writing; processes of other users are not seen."""
    for entry in proc.iterdir():
        if entry.name.isdecimal() and _writes(entry, f"{folder}/"):
            yield int(entry.name)


def _writes(process: Path, prefix: str) -> bool:
    try:
        return any(
            str(descriptor.readlink()).startswith(prefix) and _writable(process / "fdinfo" / descriptor.name)
            for descriptor in (process / "fd").iterdir()
        )
    except OSError:
        return False


def _writable(info: Path) -> bool:
    flags = next(line for line in info.read_text().splitlines() if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY


def clean(folder: Path, spare: int) -> None:
    """End the writers of `folder` except `spare`, then remove it."""
    end = time.monotonic() + PATIENCE
    while _PROC.is_dir() and time.monotonic() < end:
        left = [pid for pid in writers(folder) if pid not in (spare, os.getpid())]
        if not left:
            break
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    clean(Path(sys.argv[1]), int(sys.argv[2]))

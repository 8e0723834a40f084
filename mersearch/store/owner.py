"""Who a process is, so that another process can tell whether it still runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: a process id alone is given to another process sooner or later."""

    host: str
    boot: str
    """Id of the boot of the kernel."""
    space: str
    """Process id name space, which differs between containers of one machine."""
    pid: int
    start: str
    """Start time of the process in clock ticks since the boot."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Owner:
        """The inverse of `to_dict`; KeyError where something is missing."""
        host, boot, space, start = (str(values[name]) for name in ("host", "boot", "space", "start"))
        return cls(host, boot, space, int(values["pid"]), start)


def this_process() -> Owner:
    """The calling process."""
    pid = os.getpid()
    boot = _read(PROC / "sys/kernel/random/boot_id")
    return Owner(socket.gethostname(), boot, _space(), pid, start_time(pid))


def start_time(pid: int) -> str:
    """Start time of a running process; empty for one that is gone, is a zombie or cannot be seen."""
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def alive(owner: Owner, age: float) -> bool | None:
    """Whether `owner`, who renewed its lease `age` seconds ago, still runs; None where it cannot be told.

    On this host under the same boot: its process id is in use, with the same start time. Under another boot: it
    is dead where it was last seen before this boot (a second machine of the same name is not taken for this
    one). Elsewhere nothing is certain.
    """
    here = this_process()
    if owner.host != here.host or not here.start:
        return None
    if owner.boot != here.boot:
        uptime = float((_read(PROC / "uptime") or "inf").split()[0])
        return False if age > uptime else None
    return start_time(owner.pid) == owner.start if owner.space == here.space else None


def _space() -> str:
    try:
        return str((PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

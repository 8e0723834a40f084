"""A `mersearch` command in a process of its own, which can be watched, interrupted and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self

from mersearch.store.owner import start_time

ROOT = Path(__file__).parents[1]
CONSOLE_SCRIPT = Path(sys.executable).with_name("mersearch")
MARK = "MERSEARCH_TESTED_COMMAND"


class Command:
    """A command, and every process that it starts: they inherit a variable that no other process has."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        path: Path | None = None,
        program: Sequence[str] = (str(CONSOLE_SCRIPT),),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start it in `folder`, with `path` on PYTHONPATH and further variables; another program on request."""
        places = os.pathsep.join(map(str, (ROOT, path) if path else (ROOT,)))
        self._said = " ".join(("mersearch", *arguments))
        mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self._mark, self._output = f"{MARK}={mark}", folder / f"{mark}.log"
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [*program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": places,
                    "HOME": str(folder / "home"),
                    **variables,
                    MARK: mark,
                },
            )
        self.pid, self._start = self._process.pid, time.monotonic()
        self._known: dict[int, str] = {}
        self._scratch: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()

    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text()

    def ended(self, expected: int = 0, seconds: float = 120) -> str:
        """Wait for its end; what it printed."""
        try:
            code = self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self._said} runs for over {seconds:.0f} s:\n{self.output()}") from None
        assert code == expected, f"{self._said} ended with {code}:\n{self.output()}"
        return self.output()

    def over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._start

    def at(self, moment: Callable[[], bool], seconds: float = 120) -> None:
        """Wait for a moment of its life."""
        until(lambda: moment() or self.over(), seconds, pause=0.005, what=self.output)
        assert not self.over(), f"{self._said} was over before the moment came:\n{self.output()}"

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """`kill -9` of this process alone."""
        guardians = [line.split() for line in self.alive().values() if "guardian.py" in line]
        self._scratch.update(Path(words[-2]) for words in guardians)
        self._process.kill()
        self._process.wait()

    def alive(self) -> dict[int, str]:
        """Process id → command line of everything it has started that still runs, itself included."""
        table = processes()
        family = {self.pid}
        while more := {pid for pid, (parent, _) in table.items() if parent in family} - family:
            family |= more
        for pid in table:
            if pid in family or self._mark in _text(pid, "environ").split("\0"):
                self._known.setdefault(pid, start_time(pid))
        return {
            pid: table[pid][1]
            for pid, start in self._known.items()
            if pid in table and start and start_time(pid) == start
        }

    def has(self, program: str) -> bool:
        """Whether one of its processes has `program` in its command line."""
        return any(program in line for line in self.alive().values())

    def left(self) -> list[str]:
        """Processes and temporary folders that it has left behind."""
        return [*self.alive().values(), *(str(folder) for folder in self._scratch if folder.exists())]

    def leaves_nothing(self, seconds: float = 20) -> None:
        """What a killed command has started ends soon after it."""
        until(lambda: not self.left(), seconds, what=lambda: f"left behind: {self.left()}")


def processes() -> dict[int, tuple[int, str]]:
    """Process id → parent and command line."""
    found = {}
    for pid in [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]:
        if stat := _text(pid, "stat"):
            parent = int(stat.rpartition(")")[2].split()[1])
            found[pid] = parent, _text(pid, "cmdline").replace("\0", " ").strip()
    return found


def _text(pid: int, name: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    return ""


def until(
    condition: Callable[[], bool], seconds: float, *, pause: float = 0.05, what: Callable[[], str] = str
) -> None:
    """Wait for other processes."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain. {what()}"
        time.sleep(pause)

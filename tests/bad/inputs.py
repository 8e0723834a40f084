"""The command line as a user types it, in this process or beside it, and what a command leaves."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from mersearch import cli
from tests.tiny import BASE, merged

ROOT = Path(__file__).parents[2]
SMALLEST = merged(
    BASE,
    {
        "run": {"name": "new"},
        "search": {"trials": 2, "scheduler": "none", "concurrency": 1},
        "algorithm": {"train": {"steps": 2}},
    },
)
"""One configuration, over the databases of `tests/bad/conftest.py`."""
SEARCH: dict[str, Any] = {"space": {"algorithm": {"train": {"lr": {"low": 1e-3, "high": 1e-2}}}}}
LIVE = ("frames.json", "lock", ".lease")
"""Names of files that say who is at work, or only save time."""
Mersearch = Callable[..., "Told"]


class Told(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def says(self, code: int, *parts: str) -> str:
        """Check that it ended with `code` and one message with these parts; the message without line breaks."""
        assert self.code == code, self
        assert "Traceback" not in self.out + self.err
        assert self.err.startswith("error: ")
        assert len(re.findall("^error: ", self.err, re.MULTILINE)) == 1, self.err
        message = " ".join(self.err.split())
        for part in (*parts, " received: ", " fix: "):
            assert part in message, f"{part!r} is not in:\n{self.err}"
        return message


def run_here(patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> Told:
    """Run a command in this process."""
    patch.setattr(sys, "argv", ["mersearch", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main()
    return Told(int(end.value.code or 0), *capsys.readouterr())


@contextlib.contextmanager
def beside(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process and process group of its own, as a shell starts it."""
    code = "import sys; from mersearch.cli import script; sys.argv[0] = 'mersearch'; script()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def end_of(process: subprocess.Popen[str]) -> Told:
    out, err = process.communicate(timeout=60)
    return Told(process.returncode, out, err)


def ctrl_c(process: subprocess.Popen[str]) -> None:
    """What a terminal does: the signal goes to the whole process group."""
    os.killpg(process.pid, signal.SIGINT)


def until(reached: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait for another process."""
    end = time.monotonic() + seconds
    while not reached():
        assert process.poll() is None, end_of(process)
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for those of `LIVE`."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {*path.parts} & {*LIVE}
    }


def write(name: str, more: dict[str, Any]) -> str:
    """A configuration beside the database; its name."""
    Path(name).write_text(yaml.safe_dump(merged(SMALLEST, more), sort_keys=False))
    return name


def line_of(file: str, word: str) -> str:
    """`file:line` of the only line that holds a word."""
    (number,) = [n for n, line in enumerate(Path(file).read_text().splitlines(), 1) if word in line]
    return f"{file}:{number}"


def lines(file: str) -> list[bytes]:
    """Whole lines of a log; none where it is not there yet."""
    path = Path(file)
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

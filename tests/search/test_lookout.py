"""Ray that ends under a search is noticed beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from mersearch.search.lookout import Lookout


def test_what_is_gone_at_two_looks_in_a_row_is_missing_and_at_one_look_is_not() -> None:
    looked, answers = threading.Semaphore(0), iter(["head", "", "head", "head", "head"])
    told, going = list[str](), threading.Semaphore(0)

    def lost() -> str:
        looked.release()
        going.acquire()
        return next(answers)

    with Lookout(lost, told.append, period=0.001, grace=3600) as lookout:
        missing = []
        for _ in range(4):
            looked.acquire()
            missing.append(lookout.missing())
            going.release()
        looked.acquire()
        missing.append(lookout.missing())
        going.release()
    assert missing == ["", "", "", "", "head"]
    assert told == []


def test_a_search_that_leaves_in_time_is_not_ended() -> None:
    told, seen = list[str](), threading.Event()

    def lost() -> str:
        seen.set()
        return "head"

    with Lookout(lost, told.append, period=0.001, grace=3600):
        assert seen.wait(20)
    assert told == []


STUCK = """
import threading
from functools import partial
from mersearch.search.engine import _end
from mersearch.search.lookout import Lookout

class Watcher:
    def notice(self, text):
        print(text)

with Lookout(lambda: "head", partial(_end, Watcher(), "mersearch verify runs/first"), period=0.01, grace=0.05):
    threading.Event().wait()
"""


def test_a_search_that_waits_for_a_ray_that_is_gone_ends_as_resumable(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", STUCK],
        cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout.endswith("go on with: mersearch verify runs/first\n")
    assert "its head is gone" in done.stdout

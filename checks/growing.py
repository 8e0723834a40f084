"""A search that asks for cards, on a cluster that has none: 0 machines, all of them in one round, and 0 again.

    python checks/growing.py

Ray's own autoscaler starts real raylets on this machine, with a core and an invented card each (tests/growing.py).
Printed is what happened when. Ends with 1 where anything is not as it must be.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.growing import Growing, growing  # noqa: E402
from tests.tiny import Tiny, make, predictions  # noqa: E402

WORKERS = 3
GROWS = (f"cluster.max_workers={WORKERS}", "cluster.worker_gpus=1", "trial.gpus=1", "search.concurrency=auto")
PATIENCE = 600.0


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mersearch-growing-") as folder, growing(WORKERS, idle=20) as on:
        tiny = make(Path(folder))
        return 0 if grows(tiny, on) else 1


def grows(tiny: Tiny, on: Growing) -> bool:
    """Search, and say how the cluster followed; whether that is as it must be."""
    start, seen = time.monotonic(), [len(on.raylets())]
    say(start, f"{seen[0]} machines")
    with on.command(tiny.folder, "launch", "tiny.yaml", "search.trials=6", *GROWS) as command:
        while not command.over():
            watch(on, start, seen)
        said = command.ended()
    say(start, "the search is over")
    end = time.monotonic() + PATIENCE
    while on.raylets() and time.monotonic() < end:
        watch(on, start, seen)
    watch(on, start, seen)
    rounds = [int(count) for count in re.findall(r"Adding (\d+) node", on.log("monitor.log"))]
    print(f"machines asked for, round by round: {rounds}")
    print("\n".join(line for line in said.splitlines() if "machines" in line or "workers" in line))
    folds, state = len(predictions(tiny.run("tiny"))), tiny.run("tiny").read()
    print(f"{len(state.trials)} trials over {folds} folds, {len(state.missing())} unfinished")
    return (
        seen[0] == 0
        and max(seen) == WORKERS
        and seen[-1] == 0
        and rounds[0] == WORKERS
        and len(state.trials) == 6
        and not state.missing()
    )


def watch(on: Growing, start: float, seen: list[int]) -> None:
    """Note a change of the number of machines."""
    time.sleep(0.2)
    now = len(on.raylets())
    if now != seen[-1]:
        seen.append(now)
        say(start, f"{now} machines")


def say(start: float, what: str) -> None:
    print(f"{time.monotonic() - start:6.1f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

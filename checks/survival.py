"""Machines, drivers and heads that are killed under a search, on a cluster of this machine.

    python checks/survival.py [machines] [driver] [head]

On a cluster with real raylets (tests/growing.py), one search after another: a machine is killed (-9) and another
one is announced to be taken back; the driver is killed and the command given again; the head is killed, started
again, and the command given again. Then every fold of every trial must be there once, with the predictions that the
configuration has in an evaluation without Ray. Chunks that were begun a second time are counted, as the records tell
them: at most one for each trial that was running when something was lost. Ends with 1 where anything is not as it
must be.
"""

from __future__ import annotations

import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import yaml  # noqa: E402

from mersearch.data.synthetic import synthesize  # noqa: E402
from tests.commands import Command, until  # noqa: E402
from tests.growing import Growing, growing  # noqa: E402
from tests.tiny import Tiny, space  # noqa: E402
from tests.undisturbed import differing  # noqa: E402

WORKERS = 3
SUBJECTS = 6
TRIALS = 6
SEARCH = (
    "tiny.yaml", f"search.trials={TRIALS}", "search.concurrency=auto", "trial.gpus=1", "cluster.worker_gpus=1",
    f"cluster.max_workers={WORKERS}", "space.algorithm.train.steps.low=20", "space.algorithm.train.steps.high=40",
)  # fmt: skip
PATIENCE = 1200.0


def main() -> int:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mersearch-survival-") as folder, growing(WORKERS, idle=30) as on:
        tiny = make(Path(folder))
        scenes = {"machines": (machines, 1), "driver": (driver, WORKERS), "head": (head, WORKERS)}
        good = [
            result(tiny, name, play(tiny, on), at_most=most)
            for name, (play, most) in scenes.items()
            if name in (sys.argv[1:] or scenes)
        ]
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if all(good) else 1


def make(folder: Path) -> Tiny:
    """More subjects than in the tests, so that there is a middle."""
    synthesize(folder / "casme2", "casme2", subjects=SUBJECTS, clips=24, seed=0, size=0.5)
    synthesize(folder / "ckplus", "ckplus", subjects=3, clips=14, seed=0, size=0.5)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(space(), sort_keys=False))
    return Tiny(folder)


def begun(tiny: Tiny, on: Growing, name: str) -> Command:
    """A search on all machines, some folds of which are finished."""
    command = on.command(tiny.folder, "launch", *SEARCH, f"run.name={name}")
    command.at(lambda: len(on.raylets()) == WORKERS and tiny.lines(name, "folds.jsonl") >= WORKERS, PATIENCE)
    return command


def later(tiny: Tiny, name: str, folds: int) -> Callable[[], bool]:
    """Whether so many folds more than now are finished."""
    wanted = tiny.lines(name, "folds.jsonl") + folds
    return lambda: tiny.lines(name, "folds.jsonl") >= wanted


def machines(tiny: Tiny, on: Growing) -> list[str]:
    """One machine is killed, another one announced to be taken back."""
    with begun(tiny, on, "machines") as command:
        victim, other, *_ = sorted(on.raylets())
        on.kill_node(victim)
        command.at(later(tiny, "machines", 2), PATIENCE)
        on.drain(other, 600)
        said = command.ended(seconds=PATIENCE)
    told = [line for line in said.splitlines() if "worker died" in line or "taken back" in line]
    return [
        *told,
        *([] if any("worker died" in line for line in told) else ["NOBODY NOTICED THE KILLED MACHINE"]),
        *([] if any("taken back" in line for line in told) else ["NOBODY LEFT THE MACHINE IN TIME"]),
    ]


def driver(tiny: Tiny, on: Growing) -> list[str]:
    """The driver is killed, and the same command given again; a second driver beside it is refused."""
    with begun(tiny, on, "driver") as command:
        command.kill()
    with on.command(tiny.folder, "launch", *SEARCH, "run.name=driver") as command:
        command.at(lambda: "Going on" in command.output(), PATIENCE)
        with on.command(tiny.folder, "resume", "driver") as second:
            refused = second.ended(2, PATIENCE)
        said = command.ended(seconds=PATIENCE)
    lines = [line for line in said.splitlines() if "Going on" in line]
    return [*lines, *(line for line in refused.splitlines() if "is in use" in line)]


def head(tiny: Tiny, on: Growing) -> list[str]:
    """The head is killed and started again, and the same command given again."""
    with begun(tiny, on, "head") as command:
        on.kill_head()
        said = command.ended(3, PATIENCE)
    until(lambda: not on.raylets(), 120)
    on.launch()
    with on.command(tiny.folder, "launch", *SEARCH, "run.name=head") as command:
        again = command.ended(seconds=PATIENCE)
    lines = [line for line in again.splitlines() if "Going on" in line]
    return [*(line for line in said.splitlines() if "Ray ended" in line or "is gone" in line), *lines]


def result(tiny: Tiny, name: str, told: list[str], *, at_most: int) -> bool:
    """Say what came of a search; whether that is as it must be."""
    run = tiny.run(name)
    state, lines = run.read(), tiny.lines(name, "folds.jsonl")
    folds = {(number, subject) for number, trial in state.trials.items() for subject in trial.folds}
    twice = {
        (number, fold.chunk)
        for number, trial in state.trials.items()
        for fold in trial.folds.values()
        if fold.attempt
    }
    other = differing(run)
    print(f"\n=== {name}")
    print("\n".join(f"  {anywhere(line.strip())}" for line in told))
    complete = len(state.in_state("complete"))
    print(f"  {len(state.trials)} trials, {complete} complete, {len(state.missing())} unfinished")
    print(f"  {len(folds)} folds in {lines} lines, {len(folds) - len(other)} as in an undisturbed evaluation")
    print(f"  {len(twice)} chunk(s) begun a second time, at most {at_most} expected", flush=True)
    return (
        len(state.trials) == TRIALS
        and not state.missing()
        and not state.in_state("failed")
        and lines == len(folds)
        and not other
        and len(twice) <= at_most
        and not any(line.isupper() for line in told)
    )


def anywhere(line: str) -> str:
    """A line without what only this machine is called."""
    return re.sub(r"\b\d+\.\d+\.\d+\.\d+\b", "ADDRESS", line.replace(socket.gethostname(), "HOST"))


if __name__ == "__main__":
    sys.exit(main())

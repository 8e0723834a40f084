"""`kill -9` of the driver at random moments of one search, by two workers on the shipped space.

    python checks/crash.py [--kills 10] [--seed 0]

First the search runs undisturbed. Then the same search, from an empty folder (it writes its databases and
preprocesses them itself), is killed again and again, in turn some seconds after its start and some folds later, and
started again. One row per kill: the moment; the folds that were on disk; how many of these the next driver did not
take over, so that they were trained twice; whether every prediction that both searches have is the same to the bit;
the processes and temporary folders that were left 20 seconds later. Ends with 1 where any row is not as it must be.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mersearch.store import RunDirectory  # noqa: E402
from tests.commands import Command  # noqa: E402
from tests.tiny import optuna_trials  # noqa: E402

SEARCH = ("quintuplet", "run.name=search", "search.trials=6", "search.concurrency=2", "trial.gpus=0")
LONGEST = 25.0
"""Seconds: the databases are written and Ray is up long before."""
MOST = 4
"""Folds that a driver may finish before it is killed."""
PATIENCE = 600.0
Predictions = dict[tuple[str, str], object]
Moment = tuple[str, Callable[[], bool]]
"""In words, and whether it has come."""


@dataclass(slots=True)
class Row:
    """One kill and what came of it."""

    moment: str
    folds: int
    same: bool
    left: list[str]
    twice: int | None = None
    """Known when the next driver has said what it takes over."""

    def good(self) -> bool:
        """Whether it is as it must be."""
        return self.same and not self.left and self.twice == 0

    def text(self, number: int) -> str:
        """The row as it is printed."""
        same = "yes" if self.same else "NO"
        return f"{number:4d}  {self.moment:26s} {self.folds:12d} {self.twice:13d}  {same:21s} {len(self.left):8d}"


HEAD = "kill  moment                     folds before trained twice  identical predictions left over"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mersearch-crash-") as folder:
        return crash(Path(folder), options.kills, random.Random(options.seed))


def crash(folder: Path, kills: int, rng: random.Random) -> int:
    with Command(folder, "launch", *SEARCH, "run.root=undisturbed") as command:
        command.ended(seconds=PATIENCE)
    undisturbed = predictions(folder / "undisturbed" / "search")
    print(f"undisturbed: {len(undisturbed)} folds")

    run, rows = folder / "killed" / "search", list[Row]()
    for number in range(kills):
        with start(folder, run) as command:
            row = kill(command, run, undisturbed, draw(command, run, rng, by_time=number % 2 == 0))
            settle(rows, command.output())
        if row is None:
            print("the search was over before the next moment came")
            break
        rows.append(row)
    with start(folder, run) as command:
        settle(rows, command.ended(seconds=PATIENCE))

    print(HEAD)
    for number, row in enumerate(rows, 1):
        print(row.text(number))
        for left in row.left:
            print(f"      left: {left}")
    return 0 if all(row.good() for row in rows) and finished(run, undisturbed) else 1


def start(folder: Path, run: Path) -> Command:
    """The command that a user would give: `launch` until there is a run, then `resume`."""
    if run.exists():
        return Command(folder, "resume", str(run.relative_to(folder)))
    return Command(folder, "launch", *SEARCH, "run.root=killed")


def kill(command: Command, run: Path, undisturbed: Predictions, moment: Moment) -> Row | None:
    """Kill `command` at a moment; None where it came to its end before."""
    said, reached = moment
    try:
        command.at(reached, PATIENCE)
    except AssertionError:
        if not command.over():
            raise
        return None
    command.kill()
    found = predictions(run) if run.exists() else {}
    with contextlib.suppress(AssertionError):
        command.leaves_nothing()
    return Row(said, len(found), same(found, undisturbed), command.left())


def draw(command: Command, run: Path, rng: random.Random, *, by_time: bool) -> Moment:
    if by_time:
        seconds = rng.uniform(0, LONGEST)
        return f"{seconds:.1f} s after its start", lambda: command.age() >= seconds
    more, before = rng.randint(1, MOST), lines(run)
    return f"{more} folds later", lambda: lines(run) >= before + more


def settle(rows: list[Row], said: str) -> None:
    """What the driver after the last kills took over, by what it printed; unknown where it came to no word."""
    taken = re.search(r"Going on: (\d+) folds", said)
    if taken or "Everything goes to" in said:
        for row in rows:
            if row.twice is None:
                row.twice = row.folds - (int(taken[1]) if taken else 0)


def lines(run: Path) -> int:
    file = run / "folds.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def predictions(run: Path) -> Predictions:
    """Configuration and subject → clips, labels and logits."""
    return {
        (trial.configuration, subject): (fold.clips, fold.labels, fold.logits.tobytes())
        for trial in RunDirectory.open(run).read().trials.values()
        for subject, fold in trial.folds.items()
    }


def same(found: Predictions, undisturbed: Predictions) -> bool:
    return all(found[fold] == undisturbed[fold] for fold in found.keys() & undisturbed.keys())


def finished(run: Path, undisturbed: Predictions) -> bool:
    """Say how the killed search ended; whether that is as it must be."""
    directory, found = RunDirectory.open(run), predictions(run)
    state, both = directory.read(), found.keys() & undisturbed.keys()
    over = all(trial.state.is_finished() for trial in optuna_trials(directory))
    once = lines(run) == len(found)
    print(
        f"in the end: {len(found)} folds, each {'once' if once else 'MORE THAN ONCE'} in the log; "
        f"{len(both)} of them also in the undisturbed search, "
        f"{sum(found[fold] == undisturbed[fold] for fold in both)} of these identical; "
        f"{'no' if over else 'AN'} Optuna trial is running; {len(state.missing())} trials are unfinished"
    )
    return once and over and bool(both) and same(found, undisturbed) and not state.missing()


if __name__ == "__main__":
    sys.exit(main())

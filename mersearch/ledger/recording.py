"""Writing down what a run has scored, from the first trial that ends to the last."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeGuard

from mersearch.errors import MersearchError
from mersearch.ledger.file import Entry, append, deepest, read_all
from mersearch.ledger.trained import pinned, trained
from mersearch.metrics import confusion
from mersearch.sameness import tested
from mersearch.seeds import digest
from mersearch.store import (
    FoldPlan,
    Recorder,
    RunDirectory,
    RunState,
    Trial,
    TrialEnded,
    is_run,
    predictions,
    runs,
)
from mersearch.store.followed import Followed
from mersearch.store.records import Record

FOLDER: Final = "ledger"
WARM_START: Final = "warm_start"
"""Of `provenance.json`: the earlier run that a search began with."""


def ledger_path(run: RunDirectory) -> Path:
    """Where the competition on the data and label set of a run is written down."""
    data = run.provenance["data"]
    database = tested(data)
    same = [database["name"], database["label_file"], sorted(map(list, clips_of(run.plan).items()))]
    section = run.config.get("run")
    place = section.get("ledger") if isinstance(section, Mapping) else None
    folder = run.path.parent / FOLDER if place is None else Path(place)
    return folder / f"{digest(same)[:16]}-{data['labels']}.jsonl"


def entries(run: RunDirectory, state: RunState) -> list[Entry]:
    """The trials of a run that have a finished fold, or have failed."""
    return [
        Entry(
            run.name,
            trial.number,
            name,
            trial.state,
            {subject: _counts(trial, subject) for subject in sorted(trial.folds)},
        )
        for name, trial in _named(run, state)
        if trial.folds or trial.state == "failed"
    ]


def _named(run: RunDirectory, state: RunState) -> Iterator[tuple[str, Trial]]:
    """Every trial, with the digest of all that it trains with."""
    run.setting("run", "seed")
    sections = trained(run.config, run.provenance["data"]["labels"])
    for trial in state.trials.values():
        yield digest(pinned(sections, trial.parameters))[:16], trial


@contextmanager
def recording(run: RunDirectory, writer: Recorder) -> Iterator[Recorder]:
    """A recorder of the run that writes a trial into the ledger when it ends, so that it counts even after a kill.

    What an earlier driver of the run has left out is added first, and trials that are not over at the end of the
    context, also when that comes with an error.

    Raises what `record` raises.
    """
    record(run, writer.state)
    try:
        yield Followed(writer, _Ending(run, writer.state).add)
    except BaseException:
        with contextlib.suppress(MersearchError):
            record(run, writer.state)
        raise
    record(run, writer.state)


class _Ending:
    """Brings the trials of a run into the ledger when they end."""

    def __init__(self, run: RunDirectory, state: RunState) -> None:
        self._run, self._state, self._path = run, state, ledger_path(run)
        self._known = _stored(self._path, run.plan)

    def add(self, records: Sequence[Record]) -> None:
        """The trials that these records end; raises what `record` does."""
        over = {record.trial: self._state.trials[record.trial] for record in records if _ends(record)}
        if over:
            _add(self._path, entries(self._run, dataclasses.replace(self._state, trials=over)), self._known)


def _ends(record: Record) -> TypeGuard[TrialEnded]:
    return isinstance(record, TrialEnded)


def record(run: RunDirectory, state: RunState) -> None:
    """Append what the ledger does not have of a run yet, and of the earlier one that it began with.

    Where there is no ledger, also what it does not have of the runs beside it.

    Raises:
        Interrupted: the disk is full.
        RunError: the ledger is not writable.
    """
    path = ledger_path(run)
    found = [*_earlier(run, path), *entries(run, state)]
    if not path.exists():
        found = [*beside(run, path, {}), *found]
    _add(path, found, _stored(path, run.plan))


def _earlier(run: RunDirectory, path: Path) -> list[Entry]:
    """What another ledger, of the run that a search began with, knows about the same clips.

    With `search.warm_start` the winner has been chosen from these as well. Names of runs get their folder, so that
    a namesake here is another run. What is not there any more is passed over.
    """
    place = run.provenance.get(WARM_START, {}).get("path")
    if place is None or not is_run(Path(place)):
        return []
    earlier, clips = RunDirectory.open(Path(place)), clips_of(run.plan)
    other = ledger_path(earlier)
    if other == path:
        return []
    there = [*read_all(other), *beside(earlier, other, {}), *entries(earlier, earlier.read())]
    return [
        dataclasses.replace(entry, run=str(earlier.path.parent / entry.run))
        for entry in deepest(entry for entry in there if entry.about(clips))
    ]


def _stored(path: Path, plan: FoldPlan) -> dict[str, Entry]:
    """Configuration → the deepest line that is about the clips of a plan."""
    clips = clips_of(plan)
    return {
        entry.configuration: entry for entry in deepest(line for line in read_all(path) if line.about(clips))
    }


def _add(path: Path, found: Iterable[Entry], known: dict[str, Entry]) -> None:
    """Append what is not known yet; then it is."""
    news = [entry for entry in deepest(found) if entry.tells_more_than(known.get(entry.configuration))]
    append(path, news)
    known.update({entry.configuration: entry for entry in news})


def beside(run: RunDirectory, path: Path, known: Mapping[str, Entry]) -> list[Entry]:
    """What the other runs of the folder have for the same ledger, where it is not all known.

    Such are runs that are worked on, and those that were killed. Runs that cannot be read are passed over.

    Args:
        run: whose folder is looked through.
        path: of the ledger.
        known: configuration → its deepest line.
    """
    found: list[Entry] = []
    for folder in runs(run.path.parent):
        with contextlib.suppress(MersearchError, TypeError, LookupError):
            other = RunDirectory.open(folder)
            if folder != run.path and ledger_path(other) == path and _has_news(other, known):
                found += entries(other, other.read())
    return found


def _has_news(run: RunDirectory, known: Mapping[str, Entry]) -> bool:
    """Whether a trial is not over, or is known with fewer folds; the folds themselves are not read."""
    return any(
        trial.ended is None
        or (entry := known.get(name)) is None
        or entry.state == "running"
        or len(entry.counts) < trial.ended.folds
        for name, trial in _named(run, run.read_trials())
    )


def clips_of(plan: FoldPlan) -> dict[str, tuple[int, ...]]:
    """Subject → clips per class."""
    return dict(zip(plan.subjects, plan.counts, strict=True))


def _counts(trial: Trial, subject: str) -> list[list[int]]:
    fold = trial.folds[subject]
    rows: list[list[int]] = confusion(fold.labels, predictions(fold), fold.logits.shape[1]).tolist()
    return rows

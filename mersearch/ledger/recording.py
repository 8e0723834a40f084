"""Writing down what a run has scored, from the first trial that ends to the last."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mersearch.errors import MersearchError
from mersearch.ledger.file import Entry, append, deepest, read_all
from mersearch.ledger.trained import pinned, trained
from mersearch.metrics import confusion
from mersearch.seeds import digest
from mersearch.store import FoldPlan, RunDirectory, RunState, Trial, predictions, runs

FOLDER: Final = "ledger"


def ledger_path(run: RunDirectory) -> Path:
    """Where the competition on the data and label set of a run is written down."""
    data = run.provenance["data"]
    database = data["databases"][0]
    same = [database["name"], database["label_file"], sorted(map(list, clips_of(run.plan).items()))]
    section = run.config.get("run")
    named = section.get("ledger") if isinstance(section, Mapping) else None
    folder = run.path.parent / FOLDER if named is None else Path(named)
    return folder / f"{digest(same)[:16]}-{data['labels']}.jsonl"


def entries(run: RunDirectory, state: RunState) -> list[Entry]:
    """The trials of a run that have a finished fold, or have failed."""
    run.setting("run", "seed")
    sections = trained(run.config, run.provenance["data"]["labels"])
    return [
        Entry(
            run.name,
            trial.number,
            digest(pinned(sections, trial.parameters))[:16],
            trial.state,
            {subject: _counts(trial, subject) for subject in sorted(trial.folds)},
        )
        for trial in state.trials.values()
        if trial.folds or trial.state == "failed"
    ]


@contextmanager
def recording(run: RunDirectory, state: RunState) -> Iterator[None]:
    """Record a run at the end of the context, also when it ends with an error; that error counts then.

    Raises what `record` raises.
    """
    try:
        yield
    except BaseException:
        with contextlib.suppress(MersearchError):
            record(run, state)
        raise
    record(run, state)


def record(run: RunDirectory, state: RunState) -> None:
    """Append what the ledger does not have of a run yet; where there is no ledger, also of the runs beside it.

    Raises:
        Interrupted: the disk is full.
        RunError: the ledger is not writable.
    """
    path = ledger_path(run)
    found, clips = entries(run, state), clips_of(run.plan)
    if not path.exists():
        found = [*_beside(run, path), *found]
    stored = deepest(entry for entry in read_all(path) if entry.about(clips))
    known = {entry.configuration: entry for entry in stored}
    append(path, [entry for entry in deepest(found) if entry.tells_more_than(known.get(entry.configuration))])


def _beside(run: RunDirectory, path: Path) -> list[Entry]:
    """What the other runs of the folder have for the same ledger; those that cannot be read are passed over."""
    found: list[Entry] = []
    for folder in runs(run.path.parent):
        with contextlib.suppress(MersearchError, TypeError, LookupError):
            other = RunDirectory.open(folder)
            if folder != run.path and ledger_path(other) == path:
                found += entries(other, other.read())
    return found


def clips_of(plan: FoldPlan) -> dict[str, tuple[int, ...]]:
    """Subject → clips per class."""
    return dict(zip(plan.subjects, plan.counts, strict=True))


def _counts(trial: Trial, subject: str) -> list[list[int]]:
    fold = trial.folds[subject]
    rows: list[list[int]] = confusion(fold.labels, predictions(fold), fold.logits.shape[1]).tolist()
    return rows

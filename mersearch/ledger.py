"""Everything that was ever scored on a data set and label set, over all runs: what a winner was selected from.

One JSON line per configuration and depth in `<run.root>/ledger/<data>-<label set>.jsonl`. A line holds confusion
counts per subject, so it stays of use when its run is deleted; the deepest line of a configuration counts. Several
drivers may append at once, and a line that a crash has torn is passed over: it can be written again from its run.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mersearch.data.table import database_of
from mersearch.errors import MersearchError
from mersearch.metrics import METRICS, confusion
from mersearch.seeds import digest
from mersearch.selection import Competition
from mersearch.store import FoldPlan, Parameters, RunDirectory, RunState, Trial, predictions, runs
from mersearch.store.files import failure, new_folder, write_all

FOLDER: Final = "ledger"
TRAINED: Final = ("algorithm", "macro", "preprocess")
"""Sections of the configuration that say what is trained."""
PLACES: Final = ("root", "cache")
UNSET: Final = (("landmarks", None),)
"""Keys at a value that means what a configuration without the key means."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One configuration, as far as it was scored.

    Attributes:
        run: the name of its run.
        trial: its number there.
        configuration: digest of all that is trained, seed included.
        state: running, complete, stopped or failed.
        counts: subject → confusion counts, L rows of L.
    """

    run: str
    trial: int
    configuration: str
    state: str
    counts: Mapping[str, list[list[int]]]


def ledger_path(run: RunDirectory) -> Path:
    """Where the competition on the data and label set of a run is written down."""
    data = run.provenance["data"]
    database = data["databases"][0]
    same = [database["name"], database["label_file"], sorted(map(list, _clips(run.plan).items()))]
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


def read(path: Path) -> list[Entry]:
    """The deepest line of every configuration, in the order of the file; none where there is no file.

    Raises:
        RunError: the file cannot be read.
    """
    return _deepest(_lines(path))


def _lines(path: Path) -> list[Entry]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise failure(error, path, None) from error
    return [entry for line in lines if (entry := _decode(line)) is not None]


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
    found = entries(run, state)
    if not path.exists():
        found = [*_beside(run, path), *found]
    known = {entry.configuration: entry for entry in read(path)}
    new = [entry for entry in _deepest(found) if _news(entry, known.get(entry.configuration))]
    if new:
        new_folder(path.parent, None)
        _append(path, "".join(json.dumps(_plain(entry), separators=(",", ":")) + "\n" for entry in new))


def _beside(run: RunDirectory, path: Path) -> list[Entry]:
    """What the other runs of the folder have for the same ledger; those that cannot be read are passed over."""
    found: list[Entry] = []
    for folder in runs(run.path.parent):
        with contextlib.suppress(MersearchError, TypeError, LookupError):
            other = RunDirectory.open(folder)
            if folder != run.path and ledger_path(other) == path:
                found += entries(other, other.read())
    return found


def _append(path: Path, text: str) -> None:
    """Whole lines with one write, after the end of a torn one."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            end = os.fstat(file).st_size
            torn = end > 0 and os.pread(file, 1, end - 1) != b"\n"
            write_all(file, b"\n" * torn + text.encode())
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise failure(error, path, None) from error


def competition(
    run: RunDirectory, state: RunState, trial: int, metric: str, *, alone: bool = False
) -> tuple[Competition, int]:
    """What a complete trial of a run was chosen from, and its place in it.

    Everything in the ledger, where nothing there is better; else it was not chosen from all that, but from the runs
    that have its configuration. The run's own trials come first, by number, so that ties are broken as outside. A
    configuration that is there twice competes once. The folds that a failed one lacks count as if it had said the
    most frequent class. With `alone`, only the run's own trials compete.
    """
    own = entries(run, state)
    lines = [] if alone else _lines(ledger_path(run))
    clips = _clips(run.plan)
    usable = [entry for entry in [*own, *lines] if _fits(entry, clips)]
    winner = next(entry for entry in own if entry.trial == trial)
    score = METRICS[metric](state.trials[trial].confusions[-1])
    if any(_score(entry, run.plan, metric) > score for entry in usable):
        homes = {entry.run for entry in usable if entry.configuration == winner.configuration}
        usable = [entry for entry in usable if entry.run in homes]
    merged = _deepest(usable)
    place = [entry.configuration for entry in merged].index(winner.configuration)
    return _stacked(merged, run.plan), place


def _score(entry: Entry, plan: FoldPlan, metric: str) -> float:
    """The metric of a configuration with all folds; −1 for another one."""
    if len(entry.counts) < len(plan):
        return -1.0
    return METRICS[metric](np.array(list(entry.counts.values())).sum(0))


def _stacked(merged: Sequence[Entry], plan: FoldPlan) -> Competition:
    """Entries as arrays, subjects in the order of the plan."""
    classes, table = len(plan.classes), np.array(plan.counts)
    counts = np.zeros((len(merged), len(plan), classes, classes), np.int64)
    done = np.zeros((len(merged), len(plan)), bool)
    for c, entry in enumerate(merged):
        for k, subject in enumerate(plan.subjects):
            if subject in entry.counts:
                counts[c, k], done[c, k] = entry.counts[subject], True
    failed = np.array([entry.state == "failed" for entry in merged], bool)
    _fill(counts, done, failed, table)
    strata = np.unique([database_of(subject) for subject in plan.subjects], return_inverse=True)[1]
    return Competition(counts, done, done.all(1) & ~failed, table, strata)


def _fill(
    counts: NDArray[np.int64], done: NDArray[np.bool_], failed: NDArray[np.bool_], clips: NDArray[np.int64]
) -> None:
    """Majority-class predictions in the missing folds of failed configurations."""
    majority = int(clips.sum(0).argmax())
    c, k = np.nonzero(~done & failed[:, None])
    counts[c, k, :, majority] = clips[k]
    done[c, k] = True


def _deepest(found: Iterable[Entry]) -> list[Entry]:
    merged: dict[str, Entry] = {}
    for entry in found:
        if _news(entry, merged.get(entry.configuration)):
            merged[entry.configuration] = entry
    return list(merged.values())


def _news(entry: Entry, known: Entry | None) -> bool:
    """Whether an entry tells more than the known one: more folds, or that the same folds were the end."""
    if known is None or len(entry.counts) != len(known.counts):
        return known is None or len(entry.counts) > len(known.counts)
    return known.state == "running" != entry.state


def _fits(entry: Entry, clips: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether an entry is about these clips: a line that is not, by accident or by hand, does not compete."""
    return all(
        subject in clips and tuple(map(sum, rows)) == clips[subject] for subject, rows in entry.counts.items()
    )


def _clips(plan: FoldPlan) -> dict[str, tuple[int, ...]]:
    return dict(zip(plan.subjects, plan.counts, strict=True))


def _counts(trial: Trial, subject: str) -> list[list[int]]:
    fold = trial.folds[subject]
    rows: list[list[int]] = confusion(fold.labels, predictions(fold), fold.logits.shape[1]).tolist()
    return rows


def trained(config: Mapping[str, Any], labels: str) -> dict[str, Any]:
    """What a trial of a configuration trains with beside its parameters, without folders."""
    sections = {name: config.get(name) for name in TRAINED}
    plain = {
        name: {
            key: value for key, value in section.items() if key not in PLACES and (key, value) not in UNSET
        }
        for name, section in sections.items()
        if isinstance(section, Mapping)
    }
    return {**plain, "labels": labels, "seed": config["run"]["seed"]}


def pinned(sections: dict[str, Any], parameters: Parameters) -> dict[str, Any]:
    """The sections with the parameters of a trial at their places."""
    values = copy.deepcopy(sections)
    for path, value in parameters.items():
        *groups, name = path.split(".")
        node = values
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = value
    return values


def _plain(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def _decode(line: bytes) -> Entry | None:
    """The entry of a line; None for an empty or torn one."""
    try:
        values = json.loads(line)
        counts = {
            str(name): [[int(n) for n in row] for row in rows] for name, rows in values["counts"].items()
        }
        return Entry(
            str(values["run"]),
            int(values["trial"]),
            str(values["configuration"]),
            str(values["state"]),
            counts,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

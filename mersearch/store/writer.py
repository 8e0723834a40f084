"""The writing end of a run directory: only the driver has one, and only under the lease."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mersearch.store.files import new_folder, replace
from mersearch.store.lease import Lease
from mersearch.store.lines import Log
from mersearch.store.records import (
    FoldRecord,
    Record,
    SpaceExhausted,
    TrialEnded,
    TrialProposed,
    TrialRestarted,
    Verdict,
    encode,
    fold_record,
    trial_record,
    verdict_record,
)
from mersearch.store.state import RunState

TRIALS: Final = "trials.jsonl"
FOLDS: Final = "folds.jsonl"
VERDICTS: Final = "verdicts.jsonl"
JOURNAL: Final = "study.journal"
MAPS: Final = "maps"
LOGS: Final = {
    TrialProposed: (TRIALS, trial_record),
    TrialEnded: (TRIALS, trial_record),
    TrialRestarted: (TRIALS, trial_record),
    SpaceExhausted: (TRIALS, trial_record),
    FoldRecord: (FOLDS, fold_record),
    Verdict: (VERDICTS, verdict_record),
}


class RunWriter:
    """Appends records to the logs, and keeps `state` equal to what reading them back would give.

    Every method that writes raises RunError where another process has taken the run over or the folder is not
    writable, and Interrupted where the disk is full. What was not written whole is in neither log nor state.
    """

    def __init__(self, path: Path, state: RunState, lease: Lease) -> None:
        self.path = path
        self.state = state
        self._lease = lease
        self._logs: dict[str, Log] = {}
        for name in (TRIALS, FOLDS, VERDICTS):
            self._logs[name] = Log(path / name)
        self._tidy()

    def _tidy(self) -> None:
        """Remove what a killed writer left: half-written files, and maps of trials that ended early."""
        for trial in self.state.in_state("stopped", "failed"):
            self.drop_maps(trial.number)
        for file in (*self.path.glob(".*.tmp"), *self.path.glob(f"{MAPS}/*/.*.tmp")):
            with contextlib.suppress(OSError):
                file.unlink()

    def append(self, *records: Record) -> None:
        """Append records of one kind: one write, on disk on return.

        Raises:
            ValueError: a record contradicts the log or is not readable; nothing was written.
        """
        if not records:
            return
        self._lease.check()
        name, decode = LOGS[type(records[0])]
        lines = [encode(record) for record in records]
        decoded = [decode(json.loads(line)) for line in lines]
        self.state.check(decoded)
        self._write_maps([record for record in records if isinstance(record, FoldRecord)])
        self._logs[name].append(lines)
        for record in decoded:
            self.state.add(record)

    def _write_maps(self, folds: Sequence[FoldRecord]) -> None:
        for fold in folds:
            if fold.maps is not None:
                buffer = io.BytesIO()
                np.save(buffer, np.asarray(fold.maps, np.uint8), allow_pickle=False)
                target = maps_path(self.path, self.state, fold.trial, fold.subject)
                new_folder(target.parent, self.path)
                replace(target, buffer.getvalue(), self.path)

    def drop_maps(self, trial: int) -> None:
        """Remove the maps of a trial that did not complete."""
        shutil.rmtree(self.path / MAPS / f"{trial:05d}", ignore_errors=True)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replace `config.yaml`, as `search.trials=150` on resuming does."""
        self._lease.check()
        replace(self.path / "config.yaml", yaml_bytes(config), self.path)

    def close(self) -> None:
        """Close the logs; the lease is the caller's."""
        for log in self._logs.values():
            log.close()


def maps_path(run: Path, state: RunState, trial: int, subject: str) -> Path:
    """Where the maps of one fold are: `maps/<trial>/<place in the frozen order>.npy`, uint8 [m, 14, 14]."""
    return run / MAPS / f"{trial:05d}" / f"{state.plan.subjects.index(subject):03d}.npy"


def yaml_bytes(config: Mapping[str, Any]) -> bytes:
    """A configuration as YAML text, keys in their own order."""
    import yaml

    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return text.encode()

"""What a run should hold, whatever happened to it: every fold as it is trained by itself, without Ray."""

from __future__ import annotations

from mersearch.opening import extend, open_run
from mersearch.store import RunDirectory


def differing(run: RunDirectory) -> list[tuple[int, str]]:
    """Trial and subject of the folds whose stored predictions are not those of an evaluation in this process."""
    opened = open_run(extend(run, ()), lambda *_: None, run.provenance["mode"])
    worker, found = opened.study.open(), []
    for number, trial in run.read().trials.items():
        worker.start(trial.parameters)
        for subject, stored in trial.folds.items():
            (fold,) = worker.train(number, [subject], 0, 0)
            same = (fold.clips, fold.labels, fold.logits.tobytes())
            if same != (stored.clips, stored.labels, stored.logits.tobytes()):
                found.append((number, subject))
    return found

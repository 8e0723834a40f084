"""The words of the console, as plain text: what happened between two looks at a search, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mersearch.store import Progress, TrialProgress
from mersearch.summary import CAUTION

LISTED = 8
"""Parameters of the best configuration that the last words list."""


def duration(seconds: float) -> str:
    """h:mm:ss, or m:ss below one hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def counts(progress: Progress) -> str:
    """How many trials are complete, stopped and failed."""
    kept, stopped, failed = (progress.count(state) for state in ("complete", "stopped", "failed"))
    return f"{kept} complete, {stopped} stopped early" + (f", {failed} failed" if failed else "")


def events(before: Progress | None, after: Progress, metric: str) -> list[str]:
    """One line per trial that moved between two looks; at the first look, one per running trial."""
    known = {trial.trial: trial for trial in before.trials} if before else {}
    lines = []
    for trial in after.trials:
        old = known.get(trial.trial)
        if old == trial or (before is None and trial.state != "running"):
            continue
        lines.append(f"trial {trial.trial} {_event(old, trial, after, metric)}")
    return lines


def _event(old: TrialProgress | None, trial: TrialProgress, after: Progress, metric: str) -> str:
    score = "" if trial.score is None else f", {metric} {trial.score:.3f}"
    if trial.state == "complete":
        is_best = after.best is not None and after.best[0] == trial.trial
        return f"complete{score}{' (best so far)' if is_best else ''}"
    if trial.state != "running":
        return f"{trial.state} after {trial.folds} of {after.folds} folds{score}: {trial.why}"
    if old is None:
        return f"goes on after {trial.folds} of {after.folds} folds{score}" if trial.folds else "started"
    return f"fold {trial.folds} of {after.folds}{score}"


def opening(
    *, run: Path, trials: int, folds: int, done: int, slots: int, device: str, synthetic: Sequence[str] = ()
) -> list[str]:
    """The first lines of a search.

    Args:
        run: the run directory, as the user may type it.
        trials: of the whole search.
        folds: of a full trial.
        done: folds that an earlier command has finished.
        slots: trials side by side.
        device: `cpu` or `cuda`.
        synthetic: databases that were generated.
    """
    where = "card" if device == "cuda" else "processor"
    lines = [
        f"{trials} trials of {folds} folds, {slots} at a time on the {where}",
        f"Everything goes to {run}",
    ]
    if done:
        lines.append(f"Going on: {done} folds are done already.")
    if synthetic:
        lines.append(mark_synthetic(synthetic))
    return [*lines, ""]


def closing(
    progress: Progress,
    *,
    run: Path,
    metric: str,
    parameters: Mapping[str, Any] | None,
    honest: Sequence[str] = (),
    seconds: float,
    synthetic: Sequence[str] = (),
) -> list[str]:
    """The last lines of a search.

    Args:
        progress: of the finished search.
        run: the run directory, as the user may type it.
        metric: what was maximised.
        parameters: of the best complete trial, the first `LISTED` are shown; None without one.
        honest: what is to be said beside the score of the best one.
        seconds: wall-clock time of this command.
        synthetic: databases that were generated.
    """
    lines = ["", f"{len(progress.trials)} trials in {duration(seconds)}: {counts(progress)}"]
    if progress.best is None or parameters is None:
        lines += ["No trial has all folds, so there is no best configuration yet."]
    else:
        number, score = progress.best
        lines += [f"Best: trial {number}, {metric} {score:.3f} over all {progress.folds} subjects"]
        lines += [*(honest or [CAUTION]), *_listed(parameters)]
    lines += [f"Everything is in {run}", *_next(run, progress.best is not None)]
    if synthetic:
        lines.append(mark_synthetic(synthetic))
    return lines


def mark_synthetic(databases: Sequence[str]) -> str:
    """Says that databases are generated, and what a score on them is worth."""
    names = " and ".join(databases)
    return f"The data are synthetic ({names}): scores say that the search works,\nnot how well on real faces."


def _listed(parameters: Mapping[str, Any]) -> list[str]:
    shown = dict(list(parameters.items())[:LISTED])
    width = max((len(path) for path in shown), default=0)
    lines = [f"  {path:{width}}  {_value(value)}" for path, value in shown.items()]
    more = len(parameters) - len(shown)
    return [*lines, f"  and {more} more, which the export holds too"] if more else lines


def _next(run: Path, best: bool) -> list[str]:
    export = [f"  mersearch export {run}"] if best else []
    return ["Next:", *export, f"  mersearch status {run}"]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

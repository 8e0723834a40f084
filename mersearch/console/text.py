"""The words of the console, as plain text: what happened between two looks at a search, and how it ended."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mersearch.by_database import score_lines, scores_by_database
from mersearch.counted import counted
from mersearch.store import Progress, Trial, TrialProgress
from mersearch.summary import CAUTION, scores

WIDTH = 80
LISTED = 15
"""Lines that the parameters of the best configuration may take."""
ROOT = "algorithm."
"""What the paths of searched parameters begin with."""


def duration(seconds: float) -> str:
    """h:mm:ss, or m:ss below one hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def counts(progress: Progress) -> str:
    """How many trials are complete, stopped and failed."""
    kept, stopped, failed = (progress.count(state) for state in ("complete", "stopped", "failed"))
    return f"{kept} complete, {stopped} stopped early" + (f", {failed} failed" if failed else "")


def events(before: Progress | None, after: Progress, metric: str, *, ranked: bool = True) -> list[str]:
    """One line per trial that moved between two looks; at the first look, one per running trial.

    Args:
        before: the first look.
        after: the second look.
        metric: of the scores.
        ranked: whether the best trial is told, as in a search.
    """
    known = {trial.trial: trial for trial in before.trials} if before else {}
    lines = []
    for trial in after.trials:
        old = known.get(trial.trial)
        if old == trial or (before is None and trial.state != "running"):
            continue
        lines.append(f"trial {trial.trial} {_event(old, trial, after, metric, ranked)}")
    news = after.shortfall and not (before and before.shortfall)
    return [*lines, after.shortfall] if news else lines


def _event(
    old: TrialProgress | None, trial: TrialProgress, after: Progress, metric: str, ranked: bool
) -> str:
    score = "" if trial.score is None else f", {metric} {trial.score:.3f}"
    if trial.state == "complete":
        is_best = ranked and after.best is not None and after.best[0] == trial.trial
        return f"complete{score}{' (best so far)' if is_best else ''}"
    if trial.state != "running":
        why = trial.why.replace(f" after {trial.folds} folds", "", 1)
        return f"{trial.state} after {trial.folds} of {after.folds} folds{score}: {why}"
    if old is None:
        return f"goes on after {trial.folds} of {after.folds} folds{score}" if trial.folds else "started"
    return f"fold {trial.folds} of {after.folds}{score}"


def opening(
    *,
    run: Path,
    trials: int,
    folds: int,
    done: int,
    slots: int,
    device: str,
    most: Sequence[str] = (),
    synthetic: Sequence[str] = (),
) -> list[str]:
    """The first lines of a search.

    Args:
        run: the run directory, as the user may type it.
        trials: of the whole search.
        folds: of a full trial.
        done: folds that an earlier command has finished.
        slots: trials side by side.
        device: `cpu` or `cuda`.
        most: what the search may use at the most.
        synthetic: databases that were generated.
    """
    where = "card" if device == "cuda" else "processor"
    lines = [
        f"{counted(trials, 'trial')} of {counted(folds, 'fold')}, {slots} at a time on the {where}",
        *(part for line in most for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ")),
        f"Everything goes to {run}",
    ]
    if done:
        lines.append(f"Going on: {counted(done, 'fold')} {'is' if done == 1 else 'are'} done already.")
    if synthetic:
        lines.append(mark_synthetic(synthetic))
    return [*lines, ""]


def closing(
    progress: Progress,
    *,
    run: Path,
    best: Trial | None,
    seconds: float | None,
    beside: Sequence[str] = (),
    synthetic: Sequence[str] = (),
    following: bool = True,
) -> list[str]:
    """The last lines of a search.

    Args:
        progress: of the finished search.
        run: the run directory, as the user may type it.
        best: the best complete trial; None without one.
        seconds: wall-clock time of this command; None where nothing was left to do.
        beside: what is to be said below the score of the best trial; a caution by default.
        synthetic: databases that were generated.
        following: whether they end with the commands that come next.
    """
    took = ", nothing was left to do" if seconds is None else f" in {duration(seconds)}"
    trials = len(progress.trials)
    lines = ["", f"{counted(trials, 'trial')}{took}: {counts(progress)}"]
    lines += textwrap.wrap(_sentence(progress.shortfall), WIDTH) if progress.shortfall else []
    if best is None:
        lines += ["No trial has all folds, so there is no best configuration yet."]
    else:
        lines += [f"Best: trial {best.number}, {scores(best)} over all {progress.folds} subjects"]
        lines += score_lines(scores_by_database(best))
        lines += [*(beside or [CAUTION]), *_listed(best.parameters)]
    lines += [f"Everything is in {run}", *(_next(run, best is not None) if following else [])]
    if synthetic:
        lines.append(mark_synthetic(synthetic))
    return lines


def mark_synthetic(databases: Sequence[str]) -> str:
    """Says that databases are generated, and what a score on them is worth."""
    names = " and ".join([part for part in (", ".join(databases[:-1]), databases[-1]) if part])
    return f"The data are synthetic ({names}): scores say that the search works,\nnot how well on real faces."


def _listed(parameters: Mapping[str, Any]) -> list[str]:
    """The searched parameters by section, which stands in front; those that do not fit are counted."""
    sections: dict[str, list[str]] = {}
    for path, value in parameters.items():
        section, _, name = path.removeprefix(ROOT).rpartition(".")
        sections.setdefault(section or ROOT[:-1], []).append(f"{name}\0{_value(value)}")
    width = max((len(section) for section in sections), default=0)
    lines: list[str] = []
    left = len(parameters)
    for section, entries in sections.items():
        hanging = " " * (width + 4)
        first = f"  {section:{width}}  "
        wrapped = textwrap.wrap(
            ", ".join(entries), WIDTH, initial_indent=first, subsequent_indent=hanging, break_long_words=False
        )
        if len(lines) + len(wrapped) >= LISTED and left > len(entries):
            return [*lines, f"  and {left} more, which the export holds too"]
        lines += [line.replace("\0", " ") for line in wrapped]
        left -= len(entries)
    return lines


def _next(run: Path, best: bool) -> list[str]:
    export = [f"  mersearch export {run}"] if best else []
    return ["Next:", *export, f"  mersearch status {run}"]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _value(value: Any) -> str:
    """As in YAML, with three digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)

"""What `status` tells about a run; needs numpy and the standard library only."""

from __future__ import annotations

from typing import Any

from mersearch.audit import audit, audit_lines
from mersearch.honest import Honest, honest
from mersearch.metrics import METRICS, NAMES
from mersearch.store import Progress, RunDirectory, RunState, Trial, progress

CAUTION = "(the best of many trials looks better than it is)"
"""Beside the score of a winner, where there is no corrected one."""
ROWS = 10
"""Trials that the text names."""


def facts(run: RunDirectory, state: RunState) -> dict[str, Any]:
    """Everything that `status --json` prints."""
    return _facts(run, state, honest(run, state, patient=False))


def _facts(run: RunDirectory, state: RunState, corrected: Honest | None) -> dict[str, Any]:
    metric, planned = run.setting("search", "metric"), run.setting("search", "trials")
    now = progress(state, metric=metric, planned=planned)
    best = state.best(metric)
    return {
        "run": run.name,
        "path": str(run.path),
        "finished": now.finished,
        "metric": metric,
        "trials": {
            "planned": now.planned,
            **{name: now.count(name) for name in ("running", "complete", "stopped", "failed")},
        },
        "folds": {"per_trial": now.folds, "done": now.folds_done, "seconds": now.seconds_per_fold},
        "best": None if best is None else _best(best),
        "corrected": None if corrected is None else corrected.facts(),
        "audit": audit(state, metric),
        "synthetic": run.provenance["data"]["synthetic"],
    }


def _best(trial: Trial) -> dict[str, Any]:
    scores = {name: METRICS[name](trial.confusions[-1]) for name in METRICS}
    return {"trial": trial.number, "scores": scores, "parameters": trial.parameters}


def text(run: RunDirectory, state: RunState) -> list[str]:
    """The lines that `status` prints, at most 80 columns."""
    corrected = honest(run, state, patient=False)
    found = _facts(run, state, corrected)
    metric, counts = found["metric"], found["trials"]
    begun = counts["planned"] - sum(counts[name] for name in ("running", "complete", "stopped", "failed"))
    lines = [
        f"{run.name}: {'finished' if found['finished'] else 'not finished'}"
        + (", on synthetic data" if found["synthetic"] else ""),
        f"  trials   {counts['complete']} complete, {counts['stopped']} stopped early, {counts['failed']} failed, "
        f"{counts['running']} open, {begun} to come",
        f"  folds    {found['folds']['done']} done, {found['folds']['per_trial']} per complete trial"
        + (f", {found['folds']['seconds']:.1f} s each" if found["folds"]["seconds"] else ""),
    ]
    lines += _ranking(progress(state, metric=metric, planned=counts["planned"]), metric)
    best = best_lines(state, metric, corrected)
    lines += ["", *(f"  {line}" for line in best)] if best else []
    lines += ["", f"  next: {_next(run, found)}"]
    return lines


def _ranking(now: Progress, metric: str) -> list[str]:
    rows = sorted(now.trials, key=lambda row: (-row.folds, -(row.score or 0.0), row.trial))[:ROWS]
    if not rows:
        return ["", "  no trial yet"]
    lines = ["", f"  trial  state     folds  {metric}"]
    for row in rows:
        score = "     –" if row.score is None else f"{row.score:6.3f}"
        partial = "" if row.folds == now.folds else "  (partial)"
        lines.append(f"  {row.trial:5d}  {row.state:8s}  {row.folds:5d}  {score}{partial}")
    if len(now.trials) > len(rows):
        lines.append(f"  … and {len(now.trials) - len(rows)} more")
    return lines


def best_lines(state: RunState, metric: str, corrected: Honest | None) -> list[str]:
    """The best complete trial: its score, and what belongs beside it; empty without one."""
    best = state.best(metric)
    if best is None:
        return []
    beside = [CAUTION] if corrected is None else corrected.lines()
    return [f"best: trial {best.number}, {_scores(best)}", *beside, *audit_lines(state, metric)]


def _scores(trial: Trial) -> str:
    return ", ".join(f"{NAMES[name]} {METRICS[name](trial.confusions[-1]):.3f}" for name in METRICS)


def _next(run: RunDirectory, found: dict[str, Any]) -> str:
    command = "export" if found["finished"] and found["best"] else "resume"
    return f"mersearch {command} {run.path}"

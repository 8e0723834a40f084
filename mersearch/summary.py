"""What `status` tells about a run; needs numpy and the standard library only."""

from __future__ import annotations

import dataclasses
import textwrap
from datetime import datetime
from typing import Any

from mersearch import front
from mersearch.audit import audit, audit_lines
from mersearch.by_database import score_lines, scores_by_database
from mersearch.honest import Honest, honest
from mersearch.ledger import Unreadable
from mersearch.metrics import METRICS, NAMES
from mersearch.search.budget import budget_of
from mersearch.store import Progress, RunDirectory, RunState, Trial, TrialProgress, progress
from mersearch.store.lease import Holder, holder

CAUTION = "(the best of many trials looks better than it is)"
"""Beside the score of a winner, where there is no corrected one."""
ROWS = 10
"""Trials that the text names."""


def facts(run: RunDirectory, state: RunState) -> dict[str, Any]:
    """Everything that `status --json` prints."""
    return _facts(run, state, _corrected(run, state))


def _corrected(run: RunDirectory, state: RunState) -> Honest | None:
    """The corrected score; None also where the ledger cannot be read, for the run itself can."""
    try:
        return honest(run, state, patient=False)
    except Unreadable:
        return None


def _facts(run: RunDirectory, state: RunState, corrected: Honest | None) -> dict[str, Any]:
    metric = run.setting("search", "metric")
    best, driver = state.best(metric), holder(run.path)
    now, slots = _standing(run, state, working=driver is not None)
    budget = budget_of(run.config, run.provenance.get("mode", {}))
    return {
        "run": run.name,
        "path": str(run.path),
        "finished": now.finished,
        "exhausted": now.exhausted,
        "driver": None if driver is None else dataclasses.asdict(driver),
        "metric": metric,
        "trials": {
            "planned": now.planned,
            "to_come": now.coming,
            **{name: now.count(name) for name in ("running", "complete", "stopped", "failed")},
        },
        "folds": {"per_trial": now.folds, "done": now.folds_done, "seconds": now.seconds_per_fold},
        "forecast": None if now.remaining is None else {"seconds": now.remaining, "at_once": slots},
        "budget": {
            "time": run.config["search"].get("time_budget"),
            "gpu_hours": {"spent": budget.spent(state), "of": budget.gpu_hours} if budget.cards else None,
            "ended": now.ended,
        },
        "best": None if best is None else _best(best),
        "corrected": None if corrected is None else corrected.facts(),
        "restarted": [
            {"trial": trial.number, "backend": trial.backend, "why": trial.restarts[-1].why}
            for trial in state.trials.values()
            if trial.backend
        ],
        "audit": audit(state, metric),
        "front": front.facts(state, metric) if _trades(run) else [],
        "variants": _variants(run),
        "data": {"database": _database(run), "labels": run.provenance["data"]["labels"]},
        "synthetic": run.provenance["data"]["synthetic"],
        "torn": [] if driver else run.torn(),
    }


def _database(run: RunDirectory) -> str:
    """The micro-expression database; of a composite, with those in it."""
    first = run.provenance["data"]["databases"][0]
    parts = ", ".join(part["name"] for part in first.get("parts", ()))
    return f"{first['name']} ({parts})" if parts else str(first["name"])


def _standing(run: RunDirectory, state: RunState, *, working: bool) -> tuple[Progress, int]:
    """The progress, and how many trials at once its forecast is for: as many as are running, or as asked for."""
    metric, planned = run.setting("search", "metric"), run.setting("search", "trials")
    asked, running = run.config["search"].get("concurrency", "auto"), len(state.in_state("running"))
    slots = max(1, running) if working or asked == "auto" else int(asked)
    ended = budget_of(run.config, run.provenance.get("mode", {})).reached(state, planned)
    return progress(state, metric=metric, planned=planned, slots=slots, ended=ended), slots


def _trades(run: RunDirectory) -> bool:
    """Whether the search has a second objective."""
    return bool(run.config["search"].get("second_objective", "none") != "none")


def _variants(run: RunDirectory) -> list[str]:
    """What the trials of an ablation are, by number; empty for a search."""
    named = run.config.get("ablation")
    return [str(name) for name in named["variants"]] if isinstance(named, dict) else []


def _best(trial: Trial) -> dict[str, Any]:
    scores = {name: METRICS[name](trial.confusions[-1]) for name in METRICS}
    databases = scores_by_database(trial)
    return {
        "trial": trial.number,
        "scores": scores,
        **({"databases": databases} if databases else {}),
        "parameters": trial.parameters,
    }


def text(run: RunDirectory, state: RunState) -> list[str]:
    """The lines that `status` prints, at most 80 columns."""
    corrected = _corrected(run, state)
    found = _facts(run, state, corrected)
    metric, counts = found["metric"], found["trials"]
    lines = [
        *textwrap.wrap(f"{run.name}: {_stage(found)}", 80, subsequent_indent="  ", break_on_hyphens=False),
        *_data(found),
        f"  trials   {counts['complete']} complete, {counts['stopped']} stopped early, {counts['failed']} failed, "
        f"{counts['running']} open, {counts['to_come']} to come",
        f"  folds    {found['folds']['done']} done, {found['folds']['per_trial']} per complete trial"
        + (f", {found['folds']['seconds']:.1f} s each" if found["folds"]["seconds"] else ""),
    ]
    now, slots = _standing(run, state, working=found["driver"] is not None)
    lines += _forecast(found, now, slots)
    shortfall = textwrap.wrap(
        now.shortfall, 78, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )
    lines += shortfall
    lines += _restarted(found)
    lines += _torn(found)
    lines += _table(now, metric, found) if found["variants"] else _ranking(now, metric, found)
    best = [] if found["variants"] else best_lines(state, metric, corrected)
    lines += ["", *(f"  {line}" for line in best)] if best else []
    traded = front.lines(state, metric) if _trades(run) else []
    lines += ["", *(f"  {line}" for line in traded)] if traded else []
    lines += ["", f"  {_next(run, found)}"]
    return lines


def _data(found: dict[str, Any]) -> list[str]:
    synthetic = ", synthetic" if found["synthetic"] else ""
    text = f"  data     {found['data']['database']}, label set {found['data']['labels']}{synthetic}"
    return textwrap.wrap(text, 80, subsequent_indent=" " * 11, break_on_hyphens=False)


def _torn(found: dict[str, Any]) -> list[str]:
    """Logs that a crash has cut in a line."""
    return [
        f"  cut      last line of {name} is incomplete: ignored, resume redoes it" for name in found["torn"]
    ]


def _forecast(found: dict[str, Any], now: Progress, slots: int) -> list[str]:
    """How long it takes to the end, and what is left of the hours of cards."""
    lines, hours = [], found["budget"]["gpu_hours"]
    if now.remaining:
        lines.append(f"  left     about {_span(now.remaining)} with {slots} at a time")
    if hours is not None:
        of = "" if hours["of"] is None else f" of {hours['of']:g}"
        lines.append(f"  cards    {hours['spent']:.3g}{of} GPU-hours")
    return lines


def _restarted(found: dict[str, Any]) -> list[str]:
    """Trials that a whole card had not enough memory for, by what they are trained with instead."""
    numbers: dict[str, list[str]] = {}
    for row in found["restarted"]:
        numbers.setdefault(row["backend"], []).append(str(row["trial"]))
    return [
        line
        for backend, trials in numbers.items()
        for line in textwrap.wrap(
            f"  memory   of a card not enough, started again with folds.backend={backend}: "
            f"trial {', '.join(trials)}", 80, subsequent_indent=" " * 11,
        )
    ]  # fmt: skip


def _span(seconds: float) -> str:
    """Rounded as a forecast deserves."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return "a minute"
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} hours"


def _ranking(now: Progress, metric: str, found: dict[str, Any]) -> list[str]:
    rows = sorted(now.trials, key=lambda row: (-row.folds, -(row.score or 0.0), row.trial))[:ROWS]
    if not rows:
        return ["", "  no trial yet"]
    lines = ["", f"  trial  state     folds  {metric}"]
    lines += [_line(row, found) + ("" if row.folds == now.folds else "  (partial)") for row in rows]
    if len(now.trials) > len(rows):
        lines.append(f"  … and {len(now.trials) - len(rows)} more")
    return lines


def best_lines(state: RunState, metric: str, corrected: Honest | None) -> list[str]:
    """The best complete trial: its score, and what belongs beside it; empty without one."""
    best = state.best(metric)
    if best is None:
        return []
    beside = [CAUTION] if corrected is None else corrected.lines()
    databases = score_lines(scores_by_database(best))
    return [f"best: trial {best.number}, {scores(best)}", *databases, *beside, *audit_lines(state, metric)]


def _table(now: Progress, metric: str, found: dict[str, Any]) -> list[str]:
    """Every variant of an ablation that has begun."""
    variants = found["variants"]
    names = [variants[row.trial] if row.trial < len(variants) else "" for row in now.trials]
    rows = [f"{_line(row, found)}  {name}"[:80] for row, name in zip(now.trials, names, strict=True)]
    return ["", f"  trial  state     folds  {metric:>6}  variant", *rows]


def _line(row: TrialProgress, found: dict[str, Any]) -> str:
    """One trial; what nobody works on is open, not running."""
    state = "open" if row.state == "running" and found["driver"] is None else row.state
    score = "     –" if row.score is None else f"{row.score:6.3f}"
    return f"  {row.trial:5d}  {state:8s}  {row.folds:5d}  {score}"


def scores(trial: Trial) -> str:
    """Every metric of a trial over its finished folds."""
    return ", ".join(f"{NAMES[name]} {METRICS[name](trial.confusions[-1]):.3f}" for name in METRICS)


def _stage(found: dict[str, Any]) -> str:
    if found["finished"]:
        return "finished"
    if found["driver"] is None:
        return "not finished, and nobody works on it"
    driver = Holder(**found["driver"])
    return f"running since {_local(driver.since)}, process {driver.pid} on {driver.host}"


def _local(since: str) -> str:
    """A time in UTC as the clock on the wall says it; as it is where it is no time."""
    try:
        return f"{datetime.fromisoformat(since).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return since


def _next(run: RunDirectory, found: dict[str, Any]) -> str:
    if found["finished"] and found["variants"]:
        return f"table and figure: {run.path / 'ablation.md'}"
    if found["finished"] and found["best"]:
        return f"next: mersearch export {run.path}"
    if found["driver"] is not None:
        return "next: wait; Ctrl-C where it runs stops it, and loses nothing finished"
    return f"next: mersearch resume {run.path}"

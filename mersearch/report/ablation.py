"""What each part of a configuration is worth: a table, its files and a figure, from a finished ablation."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from mersearch.algorithm import curves
from mersearch.by_database import scores_by_database
from mersearch.config.importing import algorithm_class
from mersearch.config.records import Ablation, Config
from mersearch.metrics import METRICS
from mersearch.report.convergence import SHARE, Curve, mean_curve
from mersearch.report.figure import forest
from mersearch.report.table import markdown, text
from mersearch.statistics import LEVEL, RESAMPLES, Difference, paired_difference, per_subject
from mersearch.store import RunDirectory, RunState, Trial
from mersearch.store.files import replace

NAME = "ablation"
"""Files of the report: `ablation.md`, `.json`, `.png`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration of an ablation.

    Attributes:
        variant: name of the ablation, or of the full configuration.
        trial: its number in the run; None where the part is off already and nothing was trained.
        state: `complete`, `failed`, `running`, or `off already`.
        why: why it failed; else empty.
        changes: settings that differ from the full configuration.
        scores: metric → pooled score; empty where not all folds are there.
        databases: of a composite, database → metric → score; else empty.
        difference: of the metric to the full configuration; None for that itself, or without both scores.
        seconds: compute time per fold.
        steps: until the training loss has fallen as far as asked; None where it has not, or nothing was logged.
        total: steps that log the loss; 0 where none do.
    """

    variant: str
    trial: int | None
    state: str
    why: str = ""
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    scores: dict[str, float] = dataclasses.field(default_factory=dict)
    databases: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    difference: Difference | None = None
    seconds: float | None = None
    steps: float | None = None
    total: int = 0


@dataclass(frozen=True, slots=True)
class AblationTable:
    """The whole result.

    Attributes:
        run: name of the run.
        metric: of the differences.
        subjects: K.
        clips: of all subjects.
        exported: run and trial that the configuration came from; empty where it did not.
        log: whose curve tells the convergence; empty where the algorithm names none.
        synthetic: whether the micro clips are generated.
        alone: whether one variant was trained at a time.
        rows: the full configuration first, what is off already last.
    """

    run: str
    metric: str
    subjects: int
    clips: int
    exported: str
    log: str
    synthetic: bool
    alone: bool
    rows: tuple[Row, ...]


def write_ablation(run: RunDirectory, state: RunState, config: Config, named: Ablation) -> list[str]:
    """Write `ablation.md`, `ablation.json` and `ablation.png` into the run; the lines for the console.

    Call it under the lease.

    Raises:
        RunError: the folder is not writable.
        Interrupted: the disk is full.
    """
    table = ablation_table(run.name, state, config, named)
    plain = json.dumps(as_dict(table), indent=2, ensure_ascii=False, allow_nan=False)
    for end, data in (
        ("json", plain.encode() + b"\n"),
        ("md", markdown(table, f"{NAME}.png").encode()),
        ("png", forest(table)),
    ):
        replace(run.path / f"{NAME}.{end}", data, run.path)
    return [*text(table), "", f"Table and figure: {run.path / NAME}.md, .json, .png"]


def ablation_table(run: str, state: RunState, config: Config, named: Ablation) -> AblationTable:
    """The result, from what is stored."""
    log = next(iter(curves(algorithm_class(config.algorithm.name))), "")
    metric, full = config.search.metric, state.trials.get(0)
    whole = full is not None and full.state == "complete"
    reference = mean_curve(state.folds(0), log) if whole else None
    rows = [
        _row(state, number, variant, metric, log, reference) for number, variant in enumerate(named.variants)
    ]
    rows += [Row(variant, None, "off already") for variant in named.already_off]
    return AblationTable(
        run=run,
        metric=metric,
        subjects=len(state.plan),
        clips=int(np.sum(state.plan.counts)),
        exported=named.exported,
        log=log,
        synthetic=config.data.synthetic is not None,
        alone=config.search.concurrency == 1,
        rows=tuple(rows),
    )


def _row(state: RunState, number: int, variant: str, metric: str, log: str, reference: Curve | None) -> Row:
    trial = state.trials.get(number)
    if trial is None:
        return Row(variant, number, "running")
    row = Row(variant, number, trial.state, trial.why, dict(trial.parameters))
    if trial.state != "complete":
        return row
    folds = state.folds(number)
    curve = mean_curve(folds, log)
    level = None if reference is None else reference.level()
    return dataclasses.replace(
        row,
        scores={name: METRICS[name](trial.confusions[-1]) for name in METRICS},
        databases=scores_by_database(trial),
        difference=_difference(trial, state, metric),
        seconds=sum(fold.seconds for fold in folds) / len(folds),
        steps=None if curve is None or level is None else curve.reaches(level),
        total=0 if curve is None or level is None else curve.total,
    )


def _difference(trial: Trial, state: RunState, metric: str) -> Difference | None:
    """The trial less the full configuration, which is the first one."""
    full = state.trials[0]
    if trial is full or full.state != "complete":
        return None
    pair = per_subject(trial.confusions), per_subject(full.confusions)
    return paired_difference(*pair, metric, subjects=state.plan.subjects)


def as_dict(table: AblationTable) -> dict[str, Any]:
    """Plain values for JSON."""
    values = dataclasses.asdict(table)
    for plain, row in zip(values["rows"], table.rows, strict=True):
        if row.difference is not None:
            plain["difference"]["verdict"] = row.difference.verdict
    values["interval"] = {"level": LEVEL, "resamples": RESAMPLES, "over": "subjects"}
    values["convergence"] = {"log": values.pop("log"), "share": SHARE}
    return values

"""Is the outcome of one run better than that of another? Compared in pairs, subject by subject."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from mersearch.by_database import of_counts
from mersearch.errors import ConfigError, DataError, RunError, raise_all
from mersearch.ledger import competition
from mersearch.metrics import METRICS, NAMES
from mersearch.sameness import Source, data_differences, listed
from mersearch.selection import RELIABLE, correct
from mersearch.statistics import Difference, paired_difference, per_subject
from mersearch.store import RunDirectory, RunState, Trial

WIDTH: Final = 80


@dataclass(frozen=True, slots=True)
class Side:
    """One of two runs.

    Attributes:
        run: its name.
        trial: number of its best complete trial.
        configurations: that this was chosen from.
        found: the metric of that trial, pooled over all folds.
        expected: the same, corrected for the choice among the run's own configurations.
        databases: of a composite, database → the same two scores over its clips; else empty.
    """

    run: str
    trial: int
    configurations: int
    found: float
    expected: float
    databases: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the same clips.

    Attributes:
        metric: of all numbers.
        subjects: K.
        clips: of all subjects.
        first: of the runs.
        second: of the runs.
        found: difference of the best trials as they were found.
        expected: difference of what either search gives on subjects that it did not choose by; the verdict's.
    """

    metric: str
    subjects: int
    clips: int
    first: Side
    second: Side
    found: Difference
    expected: Difference

    @property
    def chosen(self) -> bool:
        """Whether one of the two was chosen among several configurations."""
        return max(self.first.configurations, self.second.configurations) > 1

    @property
    def sentence(self) -> str:
        """The verdict."""
        name, value = NAMES[self.metric], self.expected
        if value.verdict == "undecided":
            return (
                f"Undecided: the difference in {name} may come from the choice of subjects "
                f"({value.value:+.3f}, 95 % interval {value.low:+.3f} to {value.high:+.3f})."
            )
        return (
            f"{self.first.run} is {value.verdict} than {self.second.run} in {name} on new subjects, "
            f"by {abs(value.value):.3f} (95 % interval {value.low:+.3f} to {value.high:+.3f})."
        )

    def facts(self) -> dict[str, Any]:
        """Everything that `compare --json` prints."""
        values = dataclasses.asdict(self)
        for name, difference in (("found", self.found), ("expected", self.expected)):
            values[name]["verdict"] = difference.verdict
        return {**values, "verdict": self.sentence, "reliable": self.subjects >= RELIABLE}


def compare(first: RunDirectory, second: RunDirectory, *, metric: str | None = None) -> Comparison:
    """The best trial of one run less that of another, paired over subjects.

    A search's best trial was chosen for its score on these subjects, so the difference that counts is that of the
    expected out-of-bag predictions per subject (`selection.correct`), with each run's own trials as the competition.
    For a run of one configuration they are its predictions, unless another run of the ledger has that configuration:
    it may have been chosen there, as what `evaluate` is given is, so that run's trials compete too.

    Args:
        first: a run with a complete trial.
        second: another one, on the same clips.
        metric: `uf1`, `uar` or `accuracy`, by which both are chosen and compared; what both searches maximised by
            default.

    Raises:
        ConfigError: one run twice, or the two maximised different metrics, and none is given.
        RunError: a run has no complete trial.
        DataError, Several: the runs are not on the same data, label set, subjects or clips.
    """
    if first.path.resolve() == second.path.resolve():
        raise ConfigError(
            "a comparison is between two runs",
            received=f"{first.path} twice",
            fix="name another run on the same clips",
        )
    runs, states = (first, second), (first.read(), second.read())
    raise_all(data_differences(Source.of(first), Source.of(second)))
    metric = metric or _metric(runs)
    bests = [_best(run, state, metric) for run, state in zip(runs, states, strict=True)]
    raise_all(list(_other_clips(runs, states, bests)))
    results = [
        correct(*competition(run, state, best.number, metric, alone=True), metric)
        for run, state, best in zip(runs, states, bests, strict=True)
    ]
    order = [second.plan.subjects.index(subject) for subject in first.plan.subjects]
    found = [per_subject(best.confusions) for best in bests]
    expected = [result.per_subject for result in results]
    sides = [
        Side(
            run.name,
            best.number,
            result.configurations,
            result.naive,
            result.corrected,
            _by_database(run.plan.subjects, counts, result.per_subject, metric),
        )
        for run, best, result, counts in zip(runs, bests, results, found, strict=True)
    ]
    return Comparison(
        metric=metric,
        subjects=len(first.plan),
        clips=int(np.sum(first.plan.counts)),
        first=sides[0],
        second=sides[1],
        found=paired_difference(found[0], found[1][order], metric, subjects=first.plan.subjects),
        expected=paired_difference(expected[0], expected[1][order], metric, subjects=first.plan.subjects),
    )


def require_metric(metric: str | None) -> None:
    """Raise ConfigError for the name of a metric that there is none of."""
    if metric is not None and metric not in METRICS:
        raise ConfigError(
            f"a metric is one of {', '.join(METRICS)}", received=f"--metric {metric}", fix="--metric uf1"
        )


def lines(found: Comparison) -> list[str]:
    """What `compare` prints, at most 80 columns where the names of the runs allow it."""
    name = NAMES[found.metric]
    rows = [
        f"{found.subjects} subjects, {found.clips} clips, {name}; differences are paired over the subjects",
        "",
        *_sides(found),
        "",
        f"  {'as found':24s} {_interval(found.found)}",
    ]
    if found.chosen:
        rows.append(f"  {'expected on new subjects':24s} {_interval(found.expected)}")
    if found.subjects < RELIABLE:
        rows.append(f"  ({found.subjects} subjects are too few to rely on an interval)")
    return [*rows, "", *textwrap.wrap(found.sentence, WIDTH, break_on_hyphens=False, break_long_words=False)]


def _sides(found: Comparison) -> list[str]:
    sides = (found.first, found.second)
    width = max(3, *(len(side.run) for side in sides), *(len(name) + 2 for name in found.first.databases))
    expected = "  expected" if found.chosen else ""
    rows = [f"  {'run':{width}s}  trial  chosen from   found{expected}"]
    for side in sides:
        about = f"{side.run:{width}s}  {side.trial:5d}  {side.configurations:11d}"
        rows.append(f"  {about}  {_scores(side.found, side.expected, found.chosen)}")
        for name, values in side.databases.items():
            scores = _scores(values["found"], values["expected"], found.chosen)
            rows.append(f"  {'  ' + name:{len(about)}s}  {scores}")
    return rows


def _scores(found: float, expected: float, chosen: bool) -> str:
    return f"{found:6.3f}" + (f"  {expected:8.3f}" if chosen else "")


def _by_database(
    subjects: Sequence[str], found: ArrayLike, expected: ArrayLike, metric: str
) -> dict[str, dict[str, float]]:
    """Database → the metric as found and as expected, of a composite."""
    scores = {"found": of_counts(subjects, found), "expected": of_counts(subjects, expected)}
    return {
        database: {what: scores[what][database][metric] for what in scores} for database in scores["found"]
    }


def _interval(difference: Difference) -> str:
    return f"{difference.value:+.3f}  (95 % interval {difference.low:+.3f} to {difference.high:+.3f})"


def _metric(runs: Sequence[RunDirectory]) -> str:
    metrics = [str(run.setting("search", "metric")) for run in runs]
    if metrics[0] != metrics[1]:
        raise ConfigError(
            "two searches that maximised different metrics are compared in one that is named",
            received=f"{runs[0].name}: {metrics[0]}, {runs[1].name}: {metrics[1]}",
            fix=f"--metric {metrics[0]} (unfair to {runs[1].name}), or another of {', '.join(METRICS)}",
        )
    return metrics[0]


def _best(run: RunDirectory, state: RunState, metric: str) -> Trial:
    best = state.best(metric)
    if best is None:
        raise RunError(
            "only a run with a complete trial can be compared",
            received=f"{run.path}: no trial has all folds",
            fix=f"go on with the search: mersearch resume {run.path}",
        )
    return best


def _other_clips(
    runs: Sequence[RunDirectory], states: Sequence[RunState], bests: Sequence[Trial]
) -> Iterator[DataError]:
    """Subjects of whom the two runs predict other clips, or the same clips with other labels."""
    one, other = (
        {fold.subject: dict(zip(fold.clips, fold.labels, strict=True)) for fold in state.folds(best.number)}
        for state, best in zip(states, bests, strict=True)
    )
    if differing := [subject for subject in one if one[subject] != other[subject]]:
        yield DataError(
            "a paired comparison needs the same clips with the same labels",
            received=f"{runs[0].name} and {runs[1].name} differ in {listed(differing)}",
            fix="launch one of the two again on the data of the other",
        )

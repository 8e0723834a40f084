"""The winner's score as it was found, and beside it what the choice among all configurations leaves of it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from mersearch.by_database import Scores, of_counts, score_lines, scores_by_database
from mersearch.errors import Interrupted, RunError
from mersearch.ledger import competition
from mersearch.metrics import METRICS, NAMES
from mersearch.selection import RELIABLE, Competition, correct, rule
from mersearch.store import RunDirectory, RunState, Trial
from mersearch.store.files import replace
from mersearch.store.lease import held

FILE: Final = "corrected.json"
"""Of a run: the last correction, kept because large ledgers take seconds. Safe to delete."""
QUICK: Final = 600
"""Configurations · classes up to which a correction takes about a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Honest:
    """The corrected score of a run's winner.

    Attributes:
        trial: the winner.
        metric: what it was selected by.
        naive: metric → score of the winner, as it was found.
        corrected: metric → θ, the score to expect on new subjects.
        conservative: mean out-of-bag score, in `metric`.
        interval: 95 % interval around θ, in `metric`.
        configurations: that the winner was chosen from.
        complete: of these, with all folds.
        subjects: K.
        databases: of a composite, `naive` and `corrected` of each; else empty.
        current: whether the ledger is still what it was when this was computed.
    """

    trial: int
    metric: str
    naive: dict[str, float]
    corrected: dict[str, float]
    conservative: float
    interval: tuple[float, float]
    configurations: int
    complete: int
    subjects: int
    databases: dict[str, Scores] = field(default_factory=dict)
    current: bool = True

    @classmethod
    def of(cls, values: Any) -> Self | None:
        """What `facts` gave; None where these are no such values."""
        try:
            low, high = values["interval"]
            return cls(
                trial=int(values["trial"]),
                metric={name: name for name in NAMES}[values["metric"]],
                naive={name: float(values["naive"][name]) for name in METRICS},
                corrected={name: float(values["corrected"][name]) for name in METRICS},
                conservative=float(values["conservative"]),
                interval=(float(low), float(high)),
                configurations=int(values["configurations"]),
                complete=int(values["complete"]),
                subjects=int(values["subjects"]),
                databases=dict(values.get("databases", {})),
                current=bool(values["current"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def facts(self) -> dict[str, Any]:
        """For `--json`, the export and the file."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if not self.databases:
            del values["databases"]
        return {**values, "interval": list(self.interval), "reliable": self.subjects >= RELIABLE}

    def lines(self) -> list[str]:
        """Lines of at most 78 columns, to stand below the score that was found."""
        low, high = self.interval
        scores = ", ".join(f"{NAMES[name]} {value:.3f}" for name, value in self.corrected.items())
        text = [
            f"expected on new subjects: {scores}",
            f"  ({NAMES[self.metric]} {low:.3f} to {high:.3f} with 95 %, conservative {self.conservative:.3f};",
            *self._choice(),
        ]
        text += score_lines(self.databases.get("corrected", {}))
        if self.subjects < RELIABLE:
            text.append(f"  ({self.subjects} subjects are too few to rely on the interval)")
        if not self.current:
            text.append("  (as of an earlier moment; mersearch export computes it again)")
        return text

    def _choice(self) -> list[str]:
        """What it is corrected for."""
        if self.configurations == 1:
            return [
                "  not corrected for a choice: none is known of here, and where it was chosen",
                "  among others on the same data, expect less)",
            ]
        return [
            f"  corrected for the choice among {self.configurations} configurations that were scored on these",
            f"  data; with all folds: {self.complete})",
        ]


def honest(run: RunDirectory, state: RunState, *, patient: bool = True) -> Honest | None:
    """The corrected score of the best complete trial; None without one.

    Args:
        run: a run with its configuration.
        state: what it knows.
        patient: compute in any case; else where it takes long, take the last one that was kept, or None.
    """
    asked = _asked(run, state)
    if asked is None:
        return None
    kept = _kept(run)
    if kept is not None and kept[0] == asked.key:
        return kept[1]
    if patient or asked.quick:
        return asked.answer()
    return None if kept is None else dataclasses.replace(kept[1], current=False)


def keep(run: RunDirectory, state: RunState) -> Honest | None:
    """`honest`, kept in the run for the next time; call it under the lease.

    Raises:
        Interrupted: the disk is full.
        RunError: the run is not writable.
    """
    asked = _asked(run, state)
    if asked is None:
        return None
    found = _answer(run, asked)
    _store(run, asked, found)
    return found


def keep_if_free(run: RunDirectory, state: RunState) -> Honest | None:
    """`honest`, kept in the run where nobody works on it and it can be written to."""
    asked = _asked(run, state)
    if asked is None:
        return None
    found = _answer(run, asked)
    with contextlib.suppress(RunError, Interrupted), held(run.path):
        _store(run, asked, found)
    return found


@dataclass(frozen=True, slots=True)
class _Question:
    """The winner of a run, and what it was chosen from."""

    found: Competition
    place: int
    best: Trial
    metric: str
    subjects: Sequence[str]
    """Of the plan, in its order."""

    @property
    def key(self) -> str:
        """Digest of all that the answer depends on."""
        found = self.found
        parts = (found.counts, found.done, found.panel, found.clips, found.strata)
        total = hashlib.sha256(f"{rule()} {self.place} {self.metric} {found.counts.shape}".encode())
        for part in parts:
            total.update(np.ascontiguousarray(part).tobytes())
        return total.hexdigest()

    @property
    def quick(self) -> bool:
        """Whether the answer takes no patience."""
        return bool(len(self.found.done) * self.found.clips.shape[1] <= QUICK)

    def answer(self) -> Honest:
        """The corrected score."""
        result = correct(self.found, self.place, self.metric)
        pooled = result.per_subject.sum(0)
        corrected = of_counts(self.subjects, result.per_subject)
        return Honest(
            trial=self.best.number,
            metric=self.metric,
            naive={name: METRICS[name](self.best.confusions[-1]) for name in METRICS},
            corrected={name: METRICS[name](pooled) for name in METRICS},
            conservative=result.conservative,
            interval=(result.low, result.high),
            configurations=result.configurations,
            complete=int(self.found.panel.sum()),
            subjects=result.subjects,
            databases={"naive": scores_by_database(self.best), "corrected": corrected} if corrected else {},
        )


def _asked(run: RunDirectory, state: RunState) -> _Question | None:
    metric = run.setting("search", "metric")
    best = state.best(metric)
    if best is None:
        return None
    return _Question(*competition(run, state, best.number, metric), best, metric, run.plan.subjects)


def _answer(run: RunDirectory, asked: _Question) -> Honest:
    """The one that was kept, where it answers the same question."""
    kept = _kept(run)
    return kept[1] if kept is not None and kept[0] == asked.key else asked.answer()


def _store(run: RunDirectory, asked: _Question, found: Honest) -> None:
    text = json.dumps({"key": asked.key, **found.facts()}, indent=2)
    replace(run.path / FILE, text.encode() + b"\n", run.path)


def _kept(run: RunDirectory) -> tuple[str, Honest] | None:
    """The key and the values of the file; None where it is missing or not one of ours."""
    try:
        values = json.loads((run.path / FILE).read_bytes())
        found = Honest.of(values)
        return None if found is None else (str(values["key"]), found)
    except (OSError, ValueError, KeyError):
        return None

"""The gold standard: the whole search again without a group of subjects, and its pick judged on that group.

Every group is predicted by a model whose configuration was chosen, and whose weights were trained, without it. So the
pooled score has no choice in it that its subjects took part in (Varma and Simon, BMC Bioinformatics 7:91, 2006).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mersearch import seeds
from mersearch.by_database import Scores, of_counts, score_lines
from mersearch.config.records import Config
from mersearch.errors import ConfigError
from mersearch.metrics import METRICS, NAMES, confusion, scores
from mersearch.search.worker import Study
from mersearch.selection import DRAWS, RELIABLE, resample, strata_of
from mersearch.store import FoldPlan, FoldRecord, Trial
from mersearch.store.bucket import below
from mersearch.store.files import new_folder, replace
from mersearch.store.records import encode, fold_record
from mersearch.student import quantile

FILE: Final = "held-out.json"
"""Of an inner run: its pick's predictions of the group."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one group of subjects gave.

    Attributes:
        subjects: that were held out together.
        trial: number of the pick in the inner run.
        trials: of the inner run.
        inner: score of the pick in the inner run, as it was found.
        counts: subject → confusion counts [L, L] of the held-out predictions.
    """

    subjects: tuple[str, ...]
    trial: int
    trials: int
    inner: float
    counts: dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Nested:
    """The score of a search, with the search itself judged on people it never saw."""

    metric: str
    groups: tuple[Group, ...]

    @property
    def per_subject(self) -> NDArray[np.int64]:
        """Counts [K, L, L] of all subjects, by name."""
        found = {name: counts for group in self.groups for name, counts in group.counts.items()}
        return np.stack([found[name] for name in self._names])

    @property
    def scores(self) -> dict[str, float]:
        """Every metric of the pooled counts."""
        return {name: METRICS[name](self.per_subject.sum(0)) for name in METRICS}

    @property
    def databases(self) -> Scores:
        """The same for each database of a composite; empty for a single one."""
        return of_counts(self._names, self.per_subject)

    @property
    def _names(self) -> list[str]:
        return sorted(name for group in self.groups for name in group.counts)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the metric: ± t_{K−1, 0.975} · the standard deviation over resamples of the subjects."""
        counts = self.per_subject
        weights = resample(strata_of(self._names), DRAWS, seeds.generator("nested", len(counts)))
        spread = float(scores(self.metric, np.einsum("bk,kij->bij", weights, counts)).std())
        half, value = quantile(0.975, max(1, len(counts) - 1)) * spread, self.scores[self.metric]
        return max(0.0, value - half), min(1.0, value + half)

    def facts(self) -> dict[str, Any]:
        """For `verify --json`."""
        return {
            "metric": self.metric,
            "scores": self.scores,
            **({"databases": self.databases} if self.databases else {}),
            "interval": list(self.interval),
            "subjects": len(self.per_subject),
            "reliable": len(self.per_subject) >= RELIABLE,
            "groups": [
                {
                    "subjects": list(group.subjects),
                    "trial": group.trial,
                    "trials": group.trials,
                    "inner": group.inner,
                    "held_out": METRICS[self.metric](sum(group.counts.values())),
                }
                for group in self.groups
            ],
        }


def groups_of(plan: FoldPlan, groups: int) -> list[tuple[str, ...]]:
    """The subjects in groups of about as many clips: dealt out in the frozen order, to and fro.

    >>> groups_of(FoldPlan(tuple("abcdef"), 1, ("x",), ((1,),) * 6), 2)
    [('a', 'd', 'e'), ('b', 'c', 'f')]

    Raises:
        ConfigError: not 2 to K/2 groups, so that each search has at least two subjects.
    """
    most = len(plan) // 2
    if not 2 <= groups <= most:
        raise ConfigError(
            f"{len(plan)} subjects make {'2' if most == 2 else f'2 to {most}'} groups, of two or more subjects each"
            if most >= 2
            else "a nested search needs four subjects, two for each of two groups",
            received=f"--nested {groups}" if most >= 2 else f"{len(plan)} subjects",
            fix=f"--nested {min(5, most)}" if most >= 2 else "use a database with more subjects",
        )
    found: list[list[str]] = [[] for _ in range(groups)]
    for place, subject in enumerate(plan.subjects):
        turn, position = divmod(place, groups)
        found[position if turn % 2 == 0 else groups - 1 - position].append(subject)
    return [tuple(group) for group in found]


def inner_config(config: Config, root: Path, number: int, subjects: Sequence[str]) -> Config:
    """The same search without a group of subjects, as a run of its own.

    Without an earlier run: its scores are of the group's subjects too. Its mirror is below that of the run.
    """
    where = config.run
    mirror = where.mirror and below(where.mirror, where.name, root.name)
    return dataclasses.replace(
        config,
        run=dataclasses.replace(where, root=str(root), name=f"group-{number}", ledger=None, mirror=mirror),
        data=dataclasses.replace(config.data, without=(*config.data.without, *subjects)),
        search=dataclasses.replace(config.search, warm_start=None),
    )


def judged(
    study: Study, folder: Path, subjects: tuple[str, ...], pick: Trial, train: Callable[[], FoldRecord]
) -> dict[str, NDArray[np.int64]]:
    """Confusion counts of a group's subjects, predicted by a pick trained on everyone else; stored in `folder`.

    Args:
        study: of the outer run, with all subjects.
        folder: of the inner run.
        subjects: the group.
        pick: of the inner run.
        train: trains it, where that is not stored yet.

    Raises what `train` and every write raise.
    """
    stored = _stored(folder / FILE, pick, subjects)
    if stored is None:
        stored = train()
        text = json.dumps({"subjects": list(subjects), "fold": json.loads(encode(stored))}).encode() + b"\n"
        replace(new_folder(folder, None) / FILE, text, folder)
    return _per_subject(stored, study, subjects)


def _stored(file: Path, pick: Trial, subjects: tuple[str, ...]) -> FoldRecord | None:
    """What was stored for this pick; None where there is nothing, or what another pick left."""
    try:
        values = json.loads(file.read_bytes())
        found = fold_record(values["fold"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (
        found if found.configuration == pick.configuration and values["subjects"] == list(subjects) else None
    )


def _per_subject(fold: FoldRecord, study: Study, subjects: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    from mersearch.data.cache_load import load

    micro = load(study.micro, study.macro).micro
    owner = {clip: micro.subjects[who] for clip, who in zip(micro.ids, micro.labels.subject, strict=True)}
    said, true = fold.logits.argmax(1), np.array(fold.labels)
    owners = np.array([owner[clip] for clip in fold.clips])
    return {
        name: confusion(true[owners == name], said[owners == name], fold.logits.shape[1]) for name in subjects
    }


def lines(found: Nested, beside: Sequence[str] = ()) -> list[str]:
    """What `verify` prints, at most 80 columns.

    Args:
        found: the result.
        beside: what is known of the run itself.
    """
    name, facts = NAMES[found.metric], found.facts()
    low, high = found.interval
    rows = [
        f"  {number:5d}  {len(row['subjects']):8d}  {row['trials']:6d}  {row['trial']:5d}  {row['inner']:8.3f}  "
        f"{row['held_out']:8.3f}"
        for number, row in enumerate(facts["groups"])
    ]
    few = [f"  ({facts['subjects']} subjects are too few to rely on the interval)"] * (not facts["reliable"])
    return [
        f"{len(rows)} searches, each judged on a group of subjects that it never saw",
        "",
        f"  group  subjects  trials   pick  {name + ' in':>8s}  {name + ' out':>8s}",
        *rows,
        "",
        f"nested: {', '.join(f'{NAMES[key]} {value:.3f}' for key, value in found.scores.items())}",
        f"  ({name} {low:.3f} to {high:.3f} with 95 %)",
        *score_lines(found.databases),
        *few,
        *beside,
    ]

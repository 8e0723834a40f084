"""When a search ends before its planned trials. Pure: everything but the time comes from the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mersearch.search.gain import gain
from mersearch.store import RunState

HOUR: Final = 3600.0
TIGHT: Final = 0.1
"""Share of a time budget that is kept for the last words and the export, at most `ROOM` seconds."""
ROOM: Final = 60.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost, and when it is good enough.

    Attributes:
        gpu_hours: hours of cards for all folds of the run; None without a limit.
        cards: that one trial occupies, 0 on processors.
        flat: whether the search ends when no more is to be gained.
        metric: `uf1`, `uar` or `accuracy`.
        startup: scored trials of which the first are drawn at random.
    """

    gpu_hours: float | None = None
    cards: float = 0.0
    flat: bool = False
    metric: str = "uf1"
    startup: int = 10

    def reached(self, state: RunState, planned: int) -> str:
        """Why no further trial is proposed now; empty where one is.

        Hours of cards: those spent, those that the running trials need if they complete, and those of one more trial
        as ended ones took must fit. No more to gain: see `gain`, from twice `startup` scores on.
        """
        coming = planned - len(state.trials)
        if coming <= 0:
            return ""
        return self._hours(state) or self._flat(state, coming)

    def spent(self, state: RunState) -> float:
        """Hours of cards of all finished folds, with the cards that each of them held.

        Those of folds that a trial started again without count too. Where it was not written down what a fold held,
        it is taken for what a trial occupies now.
        """
        every = (
            fold for trial in state.trials.values() for fold in (*trial.folds.values(), *trial.discarded)
        )
        return sum(fold.seconds * (self.cards if fold.gpus is None else fold.gpus) for fold in every) / HOUR

    def _hours(self, state: RunState) -> str:
        if self.gpu_hours is None or not self.cards or expected_seconds(state) is None:
            return ""
        spent, each = self.spent(state), (expected_seconds(state) or 0.0) * self.cards / HOUR
        running = state.in_state("running")
        folds = sum(len(subjects) for subjects in state.missing().values())
        left = folds * fold_seconds(state) * self.cards / HOUR
        if spent + left + each <= self.gpu_hours:
            return ""
        text = f"{spent:.3g} of {self.gpu_hours:g} GPU-hours are spent, a trial takes about {each:.2g}"
        return f"{text}, the running ones up to {left:.2g}" if running else text

    def _flat(self, state: RunState, coming: int) -> str:
        found = gain(state, self.metric, coming=coming, fewest=2 * self.startup) if self.flat else None
        if found is None or not found.over:
            return ""
        return (
            f"no more to gain: {coming} trials promise {found.expected:+.3f}, "
            f"and the best score is sure to ±{found.error:.3f}"
        )


def budget_of(values: Mapping[str, Any], mode: Mapping[str, Any]) -> Budget:
    """The budget of a configuration.

    Args:
        values: the configuration as `config.yaml` holds it; keys that an older one lacks take their defaults.
        mode: numeric mode of the run.
    """
    search, gpus = values.get("search", {}), values.get("trial", {}).get("gpus", "auto")
    on_cards = mode.get("device") == "cuda"
    return Budget(
        gpu_hours=search.get("gpu_hours"),
        cards=float(on_cards) if gpus == "auto" else float(gpus),
        flat=bool(search.get("stop_when_flat", False)),
        metric=search.get("metric", "uf1"),
        startup=search.get("startup", 10),
    )


def fold_seconds(state: RunState) -> float:
    """Mean compute time of a finished fold; 0 before the first."""
    seconds = [fold.seconds for trial in state.trials.values() for fold in trial.folds.values()]
    return sum(seconds) / len(seconds) if seconds else 0.0


def expected_seconds(state: RunState) -> float | None:
    """Compute time of one more trial, with as many folds as ended ones had on average; None before the first fold.

    All folds where no trial has ended.
    """
    ended = [trial.done for trial in state.trials.values() if trial.state != "running"]
    each = fold_seconds(state)
    if not each:
        return None
    return each * (sum(ended) / len(ended) if ended else len(state.plan))


def room(seconds: float) -> float:
    """Seconds of a time budget that the search itself leaves unused."""
    return min(ROOM, TIGHT * seconds)

"""What a search may take of the cards, said before it starts."""

from __future__ import annotations

from typing import Any

import pytest

from mersearch import spending
from mersearch.config import compose
from mersearch.placing import Place
from mersearch.search.slots import Node
from mersearch.spending import most_lines
from mersearch.store import Progress, TrialProgress

STUDY: Any = None
GROWING = Place(6, "cuda", "head:6379", 0.5, workers=3, worker=Node(8, 1))


def a_progress(done: int = 0, seconds: float | None = None) -> Progress:
    """Five trials of ten folds, the first of which has begun."""
    row = TrialProgress(0, "running", done, None, "")
    return Progress((row,), 5, 10, done, None, seconds, None)


def told(*overrides: str, where: Place = GROWING, now: Progress | None = None) -> list[str]:
    return most_lines(compose("quintuplet", list(overrides)), STUDY, where, now or a_progress())


@pytest.fixture
def a_minute(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A worker times a fold at 60 s; what it was asked for."""
    seen: list[Any] = []

    def asked(question: Any, *_: Any, **needs: float) -> float:
        seen.append((question.__name__, needs))
        return 60.0

    monkeypatch.setattr(spending, "asked", asked)
    return seen


def test_before_the_first_fold_a_worker_times_one_for_the_hours_of_cards(a_minute: list[Any]) -> None:
    machines, hours = told("trial.cpus=2")
    assert machines.startswith("at most 3 workers")
    assert hours == (
        f"at most 50 folds, each on 0.5 cards: {50 * 60 * 0.5 / 3600:.3g} GPU-hours, a fold of 60 s "
        "(timed on a worker on a few steps at the default settings)"
    )
    assert a_minute == [("fold_seconds", {"cpus": 2, "gpus": 0.5})]


def test_of_a_run_that_goes_on_the_measured_folds_tell_and_nobody_is_asked(a_minute: list[Any]) -> None:
    hours = told(now=a_progress(4, 30.0))[1]
    assert hours == (
        f"at most 46 folds, each on 0.5 cards: {46 * 30 * 0.5 / 3600:.3g} GPU-hours, a fold of 30 s "
        "(the mean so far)"
    )
    assert a_minute == []


@pytest.mark.usefixtures("a_minute")
def test_budgets_are_said_in_hours_of_cards_too() -> None:
    assert told("search.gpu_hours=20", "search.time_budget=4h")[2:] == [
        "no more than 20 GPU-hours (search.gpu_hours)",
        f"no more than {6 * 0.5 * 4:g} GPU-hours (search.time_budget=4h)",
    ]


def test_a_search_without_cards_or_with_nothing_left_has_nothing_to_say_of_them(a_minute: list[Any]) -> None:
    assert told(where=Place(2, "cpu")) == []
    over = Progress((TrialProgress(0, "complete", 10, 0.5, ""),), 1, 10, 10, None, 30.0, None)
    assert told(where=Place(2, "cuda", gpus=1.0), now=over) == []
    assert a_minute == []


def test_where_no_worker_can_time_a_fold_the_folds_are_said_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "asked", lambda *_, **__: None)
    (line,) = told(where=Place(1, "cuda", gpus=1.0))
    assert line == "at most 50 folds, each on 1 card; how long a fold takes could not be timed"


def test_keys_that_change_nothing_and_cores_that_are_not_there_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mersearch.placing.local_cores", lambda: 2)
    here, cluster = Place(1, "cpu"), Place(1, "cpu", "head:6379")
    assert told("trial.cpus=2", where=here) == told("trial.cpus=3", where=cluster) == []
    assert told("trial.cpus=3", where=here) == [
        "trial.cpus=3, and this machine has 2 cores: a trial starts all the same, and is slower for it"
    ]
    assert told("cluster.max_workers=3", "cluster.worker_gpus=1", where=here) == [
        "cluster.max_workers and cluster.worker_gpus have no effect on this machine: no cluster is joined (--address)"
    ]
    assert told("cluster.worker_cpus=4", where=cluster) == [
        "cluster.worker_cpus has no effect without cluster.max_workers"
    ]
    assert told("cluster.max_workers=3", "cluster.worker_cpus=4", where=cluster) == []

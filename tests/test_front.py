"""Two objectives: the score, and the compute time of a fold."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection

from mersearch import front, summary
from mersearch.config.records import Search
from mersearch.errors import ConfigError
from mersearch.search.policy import NoStopping
from mersearch.search.samplers import remarks
from mersearch.search.session import Session
from mersearch.search.study import propose, seen
from mersearch.space import Float, Space
from mersearch.store import RunDirectory
from tests.runs import SPACE, a_plan, train

DATA = {"synthetic": False, "labels": "three", "databases": [{"name": "db", "label_file": "abc"}]}


def seconds(parameters: dict[str, Any]) -> float:
    """Of a fold: an mlp takes the longer the wider it is."""
    return 1.0 + 0.1 * float(parameters.get("algorithm.width", 0))


def searched(path: Path, trials: int = 12, sampler: str = "nsga2") -> RunDirectory:
    search = {"metric": "uf1", "trials": trials, "second_objective": "seconds"}
    run = RunDirectory.create(
        path, config={"run": {"seed": 0}, "search": search}, provenance={"data": DATA}, plan=a_plan()
    )
    with pytest.MonkeyPatch.context() as patch, run.writer() as writer:
        patch.setattr("os.fsync", lambda _: None)
        session = Session(
            writer,
            space=SPACE,
            trials=trials,
            metric="uf1",
            policy=NoStopping(),
            seed=7,
            sampler=sampler,
            startup=4,
            second="seconds",
        )
        while (slot := session.next_trial()) is not None:
            for subject in run.plan.subjects:
                fold = train(run.plan, slot.trial, slot.parameters, subject)
                session.report(slot.trial, [dataclasses.replace(fold, seconds=seconds(slot.parameters))])
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return searched(tmp_path_factory.mktemp("front") / "r")


def test_the_front_is_what_no_other_trial_matches_in_less_time(run: RunDirectory) -> None:
    state = run.read()
    values = {t.number: (t.score("uf1") or 0.0, front.fold_cost(t)) for t in state.trials.values()}

    def dominated(number: int) -> bool:
        score, cost = values[number]
        return any(
            s >= score and c <= cost and ((s, c) != (score, cost) or other < number)
            for other, (s, c) in values.items()
            if other != number
        )

    expected = {number for number in values if not dominated(number)}
    found = front.front(state, "uf1")
    assert {trial.number for trial in found} == expected
    scores = [values[trial.number][0] for trial in found]
    assert scores == sorted(scores, reverse=True)
    best = state.best("uf1")
    assert best is not None
    assert scores[0] == best.score("uf1")
    for trial in state.trials.values():
        assert front.fold_cost(trial) == pytest.approx(seconds(trial.parameters))


def test_status_lists_the_front(run: RunDirectory) -> None:
    state = run.read()
    expected = [trial.number for trial in front.front(state, "uf1")]
    assert [row["trial"] for row in summary.facts(run, state)["front"]] == expected
    text = summary.text(run, state)
    assert max(map(len, text)) <= 80
    start = next(place for place, line in enumerate(text) if "in less time" in line)
    rows = text[start + 2 : start + 2 + len(expected)]
    assert [int(row.split()[0]) for row in rows] == expected


def test_the_sampler_sees_both_and_proposes_by_both(run: RunDirectory) -> None:
    state = run.read()
    for trial, known in zip(state.trials.values(), seen(state, SPACE, "uf1", "seconds"), strict=True):
        assert known.values == pytest.approx([trial.score("uf1"), seconds(trial.parameters)])
    for sampler in ("tpe", "nsga2"):
        options: dict[str, Any] = {"seed": 7, "metric": "uf1", "startup": 4, "sampler": sampler}
        drawn = [propose(state, SPACE, n, second="seconds", **options) for n in range(12, 18)]
        assert drawn == [propose(state, SPACE, n, second="seconds", **options) for n in range(12, 18)]
        for values in drawn:
            SPACE.validate(values)


def test_the_journal_holds_both_values_for_the_dashboard(run: RunDirectory) -> None:
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(run.path / "study.journal")))
    study = optuna.load_study(study_name="r", storage=storage)
    assert study.directions == [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    state = run.read()
    for trial in study.trials:
        known = state.trials[trial.number]
        assert trial.values == pytest.approx([known.score("uf1"), front.fold_cost(known)])
        assert trial.intermediate_values == {}
    assert {trial.number for trial in study.best_trials} >= {t.number for t in front.front(state, "uf1")}


def test_stopping_by_one_of_two_objectives_is_refused() -> None:
    with pytest.raises(ConfigError, match="second_objective needs trials that are not stopped") as error:
        Search(second_objective="seconds")
    assert error.value.fix == "search.scheduler=none"
    space = Space((Float("x", 0.0, 1.0),))
    (said,) = remarks(Search(second_objective="seconds", scheduler="none"), space)
    assert "does not repeat exactly" in said


def test_a_run_without_a_complete_trial_has_no_front(tmp_path: Path) -> None:
    run = searched(tmp_path / "r", 0)
    assert front.front(run.read(), "uf1") == []
    assert front.lines(run.read(), "uf1") == []

"""Two runs on the same clips are compared in pairs; others are refused by what differs."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch.comparison import compare, lines, require_metric
from mersearch.errors import ConfigError, DataError, RunError
from mersearch.ledger import competition
from mersearch.metrics import METRICS
from mersearch.search.policy import NoStopping
from mersearch.selection import correct
from mersearch.statistics import paired_difference, per_subject
from mersearch.store import FoldPlan, FoldRecord, RunDirectory
from tests.runs import a_plan, a_session, execute, train

PLAN = a_plan(16)
DATABASE = {"name": "db", "label_file": "abc"}


def a_run(
    path: Path, plan: FoldPlan = PLAN, *, labels: str = "three", metric: str = "uf1", **database: Any
) -> RunDirectory:
    config = {
        "run": {"seed": 0},
        "search": {"metric": metric},
        "algorithm": {"name": "x:Y"},
        "macro": {},
        "preprocess": {},
    }
    data = {"labels": labels, "databases": [{**DATABASE, **database}]}
    return RunDirectory.create(path, config=config, provenance={"data": data}, plan=plan)


def single(run: RunDirectory, skill: float, change: Callable[[FoldRecord], FoldRecord] = lambda f: f) -> None:
    """One configuration that is right in every clip of a share of the subjects, and says class 0 in the others."""
    point: dict[str, Any] = {"algorithm.lr": 1e-2, "algorithm.head": "linear", "algorithm.mask": True}
    with a_session(run, 1, policy=NoStopping(), points=(point,)) as session:
        slot = session.next_trial()
        assert slot is not None
        for place, subject in enumerate(run.plan.subjects):
            fold = train(run.plan, 0, slot.parameters, subject)
            right = place < skill * len(run.plan)
            logits = np.eye(3, dtype=np.float32)[list(fold.labels) if right else [0] * len(fold.labels)]
            session.report(0, [change(dataclasses.replace(fold, logits=logits))])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDirectory, RunDirectory]:
    """Two searches of eight trials."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        runs = a_run(folder / "one"), a_run(folder / "two")
        for seed, run in enumerate(runs):
            execute(run, 8, seed=seed)
    return runs


def test_one_configuration_each_is_the_paired_difference_of_their_counts(tmp_path: Path) -> None:
    runs = a_run(tmp_path / "good"), a_run(tmp_path / "poor")
    for run, skill in zip(runs, (1.0, 0.25), strict=True):
        single(run, skill)
    found = compare(*runs)
    counts = [per_subject(run.read().trials[0].confusions) for run in runs]
    assert found.found == found.expected == paired_difference(counts[0], counts[1], "uf1")
    assert found.found.value == 1.0 - METRICS["uf1"](counts[1].sum(0))
    assert found.sentence.startswith("good is better than poor in UF1 on new subjects, by 0.")
    back = compare(*reversed(runs))
    assert (back.found.value, back.found.low, back.found.high) == pytest.approx(
        (-found.found.value, -found.found.high, -found.found.low)
    )
    assert back.sentence.startswith("poor is worse than good")
    assert not any("expected" in line for line in lines(found)), "nothing was chosen"
    shutil.copytree(runs[0].path, tmp_path / "copy")
    same = compare(runs[0], RunDirectory.open(tmp_path / "copy"))
    assert (same.found.value, same.found.low, same.found.high) == (0, 0, 0)
    assert same.sentence.startswith("Undecided")
    with pytest.raises(ConfigError, match="between two runs") as error:
        compare(runs[0], runs[0])
    assert error.value.received == f"{runs[0].path} twice"


def test_an_evaluation_of_what_a_search_chose_is_compared_as_the_search_is(tmp_path: Path) -> None:
    search, again = a_run(tmp_path / "search"), a_run(tmp_path / "again")
    execute(search, 8, seed=0, policy=NoStopping())
    best = search.read().best("uf1")
    assert best is not None
    with a_session(again, 1, policy=NoStopping(), points=(dict(best.parameters),)) as session:
        slot = session.next_trial()
        assert slot is not None
        session.report(0, [dataclasses.replace(fold, trial=0) for fold in best.folds.values()])
    found = compare(search, again)
    assert found.first.configurations == found.second.configurations == 8
    assert found.found.value == 0
    assert found.second.expected == pytest.approx(found.first.expected, abs=0.03), "ties are broken otherwise"
    assert found.second.expected < found.second.found


def test_of_two_searches_the_verdict_is_on_what_either_expects_of_its_own_choice(
    pair: tuple[RunDirectory, RunDirectory],
) -> None:
    found = compare(*pair)
    expected = []
    for run, side in zip(pair, (found.first, found.second), strict=True):
        state = run.read()
        best = state.best("uf1")
        assert best is not None
        among, place = competition(run, state, best.number, "uf1", alone=True)
        assert len(among.done) == 8 == side.configurations
        result = correct(among, place, "uf1")
        assert (side.trial, side.found, side.expected) == (best.number, result.naive, result.corrected)
        expected.append(result.per_subject)
    assert found.expected == paired_difference(*expected, "uf1")
    assert found.expected.value == pytest.approx(found.first.expected - found.second.expected)
    text = lines(found)
    assert max(map(len, text)) <= 80
    assert any(line.strip().startswith("expected on new subjects") for line in text)
    facts = found.facts()
    assert (facts["verdict"], facts["reliable"]) == (found.sentence, True)
    assert facts["expected"]["verdict"] == found.expected.verdict


def test_a_composite_is_compared_in_each_of_its_databases_too(tmp_path: Path) -> None:
    subjects = tuple(name.replace("db/0", "other/0") for name in PLAN.subjects)
    plan = dataclasses.replace(PLAN, subjects=subjects)
    runs = a_run(tmp_path / "one", plan), a_run(tmp_path / "two", plan)
    for seed, run in enumerate(runs):
        execute(run, 4, seed=seed, policy=NoStopping())
    found = compare(*runs)
    text = lines(found)
    for run, side in zip(runs, (found.first, found.second), strict=True):
        assert list(side.databases) == ["db", "other"]
        trial = run.read().trials[side.trial]
        for name, scores in side.databases.items():
            of = [place for place, subject in enumerate(subjects) if subject.startswith(f"{name}/")]
            counts = per_subject(trial.confusions)[of].sum(0)
            assert scores["found"] == METRICS["uf1"](counts)
            assert f"    {name} {scores['found']:.3f} {scores['expected']:.3f}".split() in map(
                str.split, text
            )
    assert found.facts()["first"]["databases"] == found.first.databases
    assert max(map(len, text)) <= 80


def test_the_database_of_a_composite_that_differs_is_named(tmp_path: Path) -> None:
    parts = [{"name": "a", "label_file": "1"}, {"name": "b", "label_file": "2"}]
    runs = (
        a_run(tmp_path / "one", parts=parts),
        a_run(tmp_path / "two", label_file="else", parts=[parts[0], {"name": "b", "label_file": "3"}]),
    )
    with pytest.raises(DataError, match="on the same data") as error:
        compare(*runs)
    assert error.value.received == "one: label file 2 of b; two: label file 3 of b"


def test_another_order_of_the_folds_is_no_other_comparison(tmp_path: Path) -> None:
    turned = FoldPlan(PLAN.subjects[::-1], 1, PLAN.classes, PLAN.counts[::-1])
    runs = a_run(tmp_path / "one"), a_run(tmp_path / "two", turned)
    for run in runs:
        single(run, 1.0)
    found = compare(*runs).found
    assert (found.value, found.low, found.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("other", "rule", "received"),
    [
        ({"labels": "five"}, "on the same label set", "one: three; two: five"),
        ({"name": "samm"}, "the same database", "one: db; two: samm"),
        ({"label_file": "xyz"}, "the same data", "one: label file abc of db; two: label file xyz of db"),
        ({"plan": a_plan(9)}, "the same subjects", "two lacks db/09, db/10, db/11, db/12, db/13 and 2 more"),
    ],
)
def test_other_data_are_refused_by_what_differs(
    tmp_path: Path, other: dict[str, Any], rule: str, received: str
) -> None:
    runs = a_run(tmp_path / "one"), a_run(tmp_path / "two", **other)
    with pytest.raises(DataError, match=rule) as error:
        compare(*runs)
    assert error.value.received.startswith(received)


def test_other_clips_of_the_same_subjects_are_refused_by_subject(tmp_path: Path) -> None:
    runs = a_run(tmp_path / "one"), a_run(tmp_path / "two")
    single(runs[0], 1.0)

    def renamed(fold: FoldRecord) -> FoldRecord:
        clips = tuple(f"{clip}x" for clip in fold.clips)
        return dataclasses.replace(fold, clips=clips if fold.subject == "db/03" else fold.clips)

    single(runs[1], 1.0, renamed)
    with pytest.raises(DataError, match="the same clips") as error:
        compare(*runs)
    assert error.value.received == "one and two differ in db/03"


def test_a_run_without_a_complete_trial_is_refused(
    tmp_path: Path, pair: tuple[RunDirectory, RunDirectory]
) -> None:
    with pytest.raises(RunError, match="only a run with a complete trial") as error:
        compare(pair[0], a_run(tmp_path / "empty"))
    assert "empty" in error.value.received


def test_searches_for_different_metrics_are_compared_in_one_that_is_named(
    tmp_path: Path, pair: tuple[RunDirectory, RunDirectory]
) -> None:
    other = a_run(tmp_path / "other", metric="accuracy")
    single(other, 0.5)
    with pytest.raises(ConfigError, match="one that is named") as error:
        compare(pair[0], other)
    assert error.value.received == "one: uf1, other: accuracy"
    assert compare(pair[0], other, metric="uar").metric == "uar"
    with pytest.raises(ConfigError, match="uf1, uar, accuracy"):
        require_metric("f1")

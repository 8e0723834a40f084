"""The same numbers with one and two workers, after an interruption, and from the exported file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mersearch.metrics import METRICS
from mersearch.opening import extend, open_run
from mersearch.search.study import STARTUP
from mersearch.store import RunDirectory
from tests.tiny import TRIALS, Tiny, log, optuna_trials, predictions

pytestmark = pytest.mark.ray
MACRO, MARGIN = "algorithm.quintuplet.macro", "algorithm.quintuplet.margin_macro"


def test_the_search_that_others_are_compared_with_has_every_part(tiny: Tiny) -> None:
    state = tiny.run("tiny").read()
    trials = list(state.trials.values())
    assert len(trials) == TRIALS > STARTUP + 2
    assert {trial.state for trial in trials} == {"complete", "stopped"}
    assert {trial.parameters[MACRO] for trial in trials} == {True, False}
    assert all((MARGIN in trial.parameters) == trial.parameters[MACRO] for trial in trials)
    found = [str(fold[2]) for fold in predictions(tiny.run("tiny")).values()]
    assert len(set(found)) == len(found) == sum(trial.done for trial in trials)


@pytest.fixture(scope="module")
def two(tiny: Tiny) -> RunDirectory:
    """The search with two workers, ended by Ctrl-C in the middle and resumed."""
    with tiny.start("launch", "tiny.yaml", "run.name=two", "search.concurrency=2") as command:
        command.at(lambda: tiny.lines("two", "folds.jsonl") >= 6)
        command.interrupt()
        said = command.ended(expected=3)
    assert "mersearch resume runs/two goes on" in said
    assert "Going on: " in tiny.do("resume", "two")
    return tiny.run("two")


def test_two_workers_and_an_interruption_change_no_prediction(tiny: Tiny, two: RunDirectory) -> None:
    one, other = predictions(tiny.run("tiny")), predictions(two)
    both = one.keys() & other.keys()
    assert len(both) >= 2 * STARTUP, (
        "drawn at random, the first trials are the same; each has two folds at least"
    )
    for fold in both:
        assert one[fold] == other[fold]
    assert not two.read().missing()
    assert in_turn(tiny.run("tiny"))
    assert not in_turn(two), "folds of two trials came in side by side"


def in_turn(run: RunDirectory) -> bool:
    """Whether every trial began after the end of the one before."""
    trials = [fold["trial"] for fold in log(run, "folds.jsonl")]
    return trials == sorted(trials)


def test_going_on_with_other_code_is_said(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.folder)
    config = extend(RunDirectory.open(Path("runs/tiny")), ())
    assert open_run(config, lambda *_: None).remarks == ()
    monkeypatch.setattr("mersearch.opening.sources", lambda _: "other")
    (remark,) = open_run(config, lambda *_: None).remarks
    assert remark.startswith("other code than at launch")


def test_an_interrupted_and_resumed_search_leaves_no_optuna_trial_running(two: RunDirectory) -> None:
    trials = optuna_trials(two)
    assert len(trials) == TRIALS
    assert all(trial.state.is_finished() for trial in trials)


def test_the_exported_configuration_evaluated_alone_gives_the_stored_predictions_and_scores(
    tiny: Tiny,
) -> None:
    run = tiny.run("tiny")
    file = tiny.folder / tiny.do("export", "tiny", "-o", "best").splitlines()[0]
    exported = yaml.safe_load(file.read_text())["exported"]
    said = tiny.do("evaluate", str(file))
    alone = tiny.run(f"tiny-trial{exported['trial']}")

    assert alone.provenance["mode"] == run.provenance["mode"] == exported["mode"]
    stored = {fold["subject"]: fold for fold in log(run, "folds.jsonl") if fold["trial"] == exported["trial"]}
    computed = {fold["subject"]: fold for fold in log(alone, "folds.jsonl")}
    assert stored.keys() == computed.keys() == set(run.plan.subjects)
    for subject in run.plan.subjects:
        for name in ("clips", "labels", "logits", "diagnostics"):
            assert computed[subject][name] == stored[subject][name]

    pooled = alone.read().trials[0].confusions[-1]
    assert {name: METRICS[name](pooled) for name in METRICS} == {name: exported[name] for name in METRICS}
    assert exported["uf1"] == max(trial.score("uf1") or 0 for trial in run.read().in_state("complete"))
    assert f"The same scores as in tiny, trial {exported['trial']}." in said

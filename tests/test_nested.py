"""`mersearch verify`: every group of subjects is judged by a search that never saw it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch import evaluation, verification
from mersearch.config import compose
from mersearch.errors import ConfigError, Interrupted, Stopped, TrialFailure
from mersearch.metrics import METRICS, confusion
from mersearch.nested import FILE, Group, Nested, groups_of, inner_config, lines
from mersearch.opening import Opened, extend, open_run
from mersearch.outer import train_without
from mersearch.ready import current_mode
from mersearch.search.policy import NoStopping
from mersearch.search.session import Session
from mersearch.search.worker import TOGETHER
from mersearch.store import RunDirectory
from mersearch.store.records import fold_record
from mersearch.verification import verify, verify_lines
from tests.runs import a_plan
from tests.test_commands import QUICK, quiet

SPACE = (
    "search.trials=2",
    "search.scheduler=none",
    "trial.gpus=0",
    "data.synthetic.subjects=4",
    "macro=none",
    "algorithm.quintuplet.macro=false",
    "algorithm.mask.macro=false",
)


def in_process(opened: Opened, _address: str | None, _say: Any, **_: Any) -> None:
    """What `search` does on Ray, here."""
    config = opened.config
    with opened.run.writer() as writer:
        session = Session(
            writer,
            space=config.space,
            trials=config.search.trials,
            metric=config.search.metric,
            policy=NoStopping(),
            seed=config.run.seed,
        )
        worker = opened.study.open()
        while (slot := session.next_trial()) is not None:
            worker.start(slot.parameters)
            for place, subject in enumerate(session.plan.subjects):
                session.report(slot.trial, worker.train(slot.trial, [subject], place, 0))


@dataclasses.dataclass
class Told:
    """What `verify` says and prepares."""

    said: list[str] = dataclasses.field(default_factory=list)

    def say(self, texts: Any) -> None:
        self.said += texts

    def __call__(self) -> Told:
        return self

    def __enter__(self) -> Any:
        return quiet

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A search of two trials over four people."""
    folder = tmp_path_factory.mktemp("nested")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = compose(
            "quintuplet",
            [
                *(key for key in QUICK[1:] if not key.startswith("macro.")),
                *SPACE,
                f"run.root={folder / 'runs'}",
                "run.name=whole",
            ],
        )
        opened = open_run(config, quiet)
        in_process(opened, None, None)
    return opened.run


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray."""
    monkeypatch.setattr(verification, "search", in_process)
    monkeypatch.setattr(verification, "mode_at", lambda config, _: current_mode(config))


def test_a_group_is_predicted_by_a_pick_and_a_training_that_never_saw_it(
    searched: RunDirectory, quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    found = verify(searched, 2, None, told.say, told)
    members = groups_of(searched.plan, 2)
    clips: list[str] = []
    for number, (group, subjects) in enumerate(zip(found.groups, members, strict=True)):
        inner = RunDirectory.open(searched.path / "nested-2" / f"group-{number}")
        assert set(inner.plan.subjects) == set(searched.plan.subjects) - set(subjects)
        state = inner.read()
        best = state.best("uf1")
        assert best is not None
        assert (group.subjects, group.trial, group.trials) == (subjects, best.number, 2)
        assert group.inner == best.score("uf1")
        fold = fold_record(json.loads((inner.path / FILE).read_text())["fold"])
        assert not {clip for trial in state.folds(best.number) for clip in trial.clips} & set(fold.clips)
        clips += fold.clips
        pooled = confusion(fold.labels, fold.logits.argmax(1), len(searched.plan.classes))
        assert np.array_equal(sum(group.counts.values()), pooled)
        assert f"a search without {', '.join(subjects)}" in told.said[3 * number + 1]
        assert told.said[3 * number + 2] == f"Training its pick, trial {best.number}, on everyone else"
    assert len(set(clips)) == len(clips) == int(np.sum(searched.plan.counts)), "every clip once"
    for subject, counts in zip(sorted(searched.plan.subjects), found.per_subject, strict=True):
        row = searched.plan.counts[searched.plan.subjects.index(subject)]
        assert counts.sum(1).tolist() == list(row)

    monkeypatch.setattr(verification, "train_without", None)
    assert verify(searched, 2, None, told.say, told).facts() == found.facts(), "nothing is trained again"
    stored = json.loads((searched.path / "nested-2" / verification.FILE).read_text())
    assert stored == found.facts()
    text = verify_lines(searched, found)
    assert max(map(len, text)) <= 80
    assert any(line.startswith("  best: trial") for line in text), "the run's own score beside it"


def test_a_pick_is_trained_on_a_worker_with_the_predictions_that_it_has_here(
    searched: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_run(extend(searched, ()), quiet)
    best, said = searched.read().best("uf1"), list[str]()
    assert best is not None
    group = groups_of(searched.plan, 2)[0]
    here = train_without(opened.study, opened, group, best, "local", said.extend)
    monkeypatch.setattr(evaluation, "_train", lambda *_, **__: False)
    there = train_without(opened.study, opened, group, best, "local", said.extend)
    assert said == []
    assert (here.subject, here.trial, here.configuration) == (TOGETHER, best.number, best.configuration)
    for name in ("clips", "labels", "diagnostics", "configuration", "attempt"):
        assert getattr(here, name) == getattr(there, name), name
    assert here.logits.tobytes() == there.logits.tobytes()


def test_a_pick_that_cannot_be_trained_without_its_group_is_said_with_its_reason(
    searched: RunDirectory, quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(*_: Any, **__: Any) -> None:
        raise TrialFailure("losses stay finite", received="NaN")

    told = Told()
    opened = open_run(extend(searched, ()), quiet)
    best = searched.read().best("uf1")
    assert best is not None
    monkeypatch.setattr("mersearch.training.train_chunk", diverged)
    with pytest.raises(TrialFailure, match=r"with its group held out\n.*whole: losses stay finite: NaN"):
        train_without(opened.study, opened, groups_of(searched.plan, 2)[0], best, None, told.say)


def test_a_training_that_is_interrupted_says_how_the_verification_goes_on(
    searched: RunDirectory, quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(*_: Any, **__: Any) -> None:
        raise Interrupted("a process must live", received="SIGKILL", fix="go on with: mersearch resume x")

    told = Told()
    monkeypatch.setattr(verification, "train_without", died)
    shutil.rmtree(searched.path / "nested-2", ignore_errors=True)
    with pytest.raises(Interrupted, match="a process must live") as error:
        verify(searched, 2, None, told.say, told)
    assert error.value.fix == f"mersearch verify {searched.path} --nested 2 goes on"


def test_a_search_that_a_budget_ended_stops_the_verification_with_the_way_on(
    searched: RunDirectory, quickly: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()

    inner = searched.path / "nested-2" / "group-0"

    def full(*_: Any, again: str, **__: Any) -> None:
        assert again == f"mersearch verify {searched.path} --nested 2"
        raise Interrupted("the disk is full", fix=f"make room, then go on: mersearch resume {inner}")

    monkeypatch.setattr(verification, "search", full)
    with pytest.raises(Interrupted, match="the disk is full") as ended:
        verify(searched, 2, None, told.say, told)
    assert ended.value.fix == f"make room, then go on: mersearch verify {searched.path} --nested 2"

    def interrupted(*_: Any, **__: Any) -> None:
        raise Stopped("everything finished is kept", received="SIGINT", fix="mersearch resume goes on")

    monkeypatch.setattr(verification, "search", interrupted)
    with pytest.raises(Stopped, match="everything finished is kept") as error:
        verify(searched, 2, None, told.say, told)
    assert error.value.fix == f"mersearch verify {searched.path} --nested 2 goes on"
    monkeypatch.setattr(verification, "search", lambda *_, **__: None)
    shutil.rmtree(searched.path / "nested-2", ignore_errors=True)
    with pytest.raises(Stopped, match="is not over") as error:
        verify(searched, 2, None, told.say, told)
    assert error.value.fix == f"mersearch verify {searched.path} --nested 2 goes on"


def test_groups_have_every_subject_once_and_about_as_many_clips() -> None:
    plan = a_plan(26)
    for groups in (2, 3, 5, 13):
        found = groups_of(plan, groups)
        assert sorted(name for group in found for name in group) == sorted(plan.subjects)
        sizes = [len(group) for group in found]
        assert max(sizes) - min(sizes) <= 1
    for groups in (1, 14):
        with pytest.raises(ConfigError, match="26 subjects make 2 to 13 groups") as error:
            groups_of(plan, groups)
        assert error.value.fix == "--nested 5"
    with pytest.raises(
        ConfigError, match=r"^5 subjects make 2 groups, of two or more subjects each"
    ) as error:
        groups_of(a_plan(5), 9)
    assert error.value.fix == "--nested 2"


def test_a_search_without_a_group_has_no_earlier_run_and_a_ledger_of_its_own() -> None:
    config = compose("quintuplet", ["run.name=whole", "run.ledger=shared", "search.warm_start=earlier"])
    assert Path(config.run.ledger or "").is_absolute()
    assert config.run.mirror is None
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, mirror="s3://bucket/runs"))
    inner = inner_config(config, Path("runs/whole/nested-5"), 3, ("db/01", "db/02"))
    assert inner.run.mirror == "s3://bucket/runs/whole/nested-5"
    assert (inner.run.name, inner.run.root, inner.run.ledger) == ("group-3", "runs/whole/nested-5", None)
    assert inner.data.without == ("db/01", "db/02")
    assert inner.search.warm_start is None
    assert dataclasses.replace(inner, run=config.run, data=config.data, search=config.search) == config


def test_the_score_is_pooled_over_all_groups_and_its_interval_is_over_subjects() -> None:
    rng = np.random.default_rng(0)
    counts = {f"db/{k:02d}": rng.integers(0, 4, (3, 3)) for k in range(20)}
    names = list(counts)
    groups = tuple(
        Group(tuple(part), 0, 4, 0.5, {name: counts[name] for name in part})
        for part in (names[:7], names[7:13], names[13:])
    )
    found = Nested("uf1", groups)
    pooled = np.sum(list(counts.values()), axis=0)
    assert found.scores == {name: METRICS[name](pooled) for name in METRICS}
    low, high = found.interval
    assert low < found.scores["uf1"] < high
    drawn = [METRICS["uf1"](sum(counts[names[k]] for k in rng.integers(20, size=20))) for _ in range(2000)]
    assert (high - low) / 2 == pytest.approx(2.093 * np.std(drawn), rel=0.1)
    assert found.facts()["groups"][1]["held_out"] == METRICS["uf1"](
        groups[1].counts[names[7]] + sum(groups[1].counts[name] for name in names[8:13])
    )
    assert max(map(len, lines(found))) <= 80
    assert "databases" not in found.facts()


def test_of_a_composite_the_nested_score_is_told_for_each_database() -> None:
    names, rng = ("a/0", "b/0", "a/1", "b/1"), np.random.default_rng(0)
    counts = {name: rng.integers(0, 4, (3, 3)) for name in names}
    groups = [
        Group(part, 0, 4, 0.5, {name: counts[name] for name in part}) for part in (names[:2], names[2:])
    ]
    found = Nested("uf1", tuple(groups))
    wanted = {
        name: {metric: METRICS[metric](counts[f"{name}/0"] + counts[f"{name}/1"]) for metric in METRICS}
        for name in ("a", "b")
    }
    assert found.facts()["databases"] == found.databases == wanted
    assert any(line.startswith(f"  a  UF1 {wanted['a']['uf1']:.3f}, UAR") for line in lines(found))


def test_one_configuration_is_not_verified(tmp_path: Path) -> None:
    config = compose("quintuplet", ["run.name=one"])
    single = config.pinned({})
    run = RunDirectory.create(tmp_path / "one", config=single.to_dict(), provenance={}, plan=a_plan())
    told = Told()
    with pytest.raises(ConfigError, match="only a search can be verified") as error:
        verify(run, 2, None, told.say, told)
    assert error.value.received.endswith("one configuration")

"""What an earlier run tells the sampler of a new one."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mersearch.config import compose
from mersearch.config.records import Config
from mersearch.errors import ConfigError, DataError, RunError
from mersearch.sameness import Source
from mersearch.search.history import Scored, find_earlier, point_of, remarks, scored_in, warm_start
from mersearch.search.projection import projected_score
from mersearch.search.session import Session
from mersearch.search.study import propose
from mersearch.space import Choice, Float, Int, Space
from mersearch.store import RunDirectory, RunState
from tests.runs import SPACE, Killed, a_plan, a_run, an_asha, execute, train

PLAN = a_plan(6)
DATA = {"labels": "casme2-5", "databases": [{"name": "casme2", "label_file": "abc"}]}
SEARCHED = ("algorithm.train.lr", "algorithm.train.steps", "algorithm.views")


@pytest.fixture(scope="module")
def config() -> Config:
    """The shipped space with three parameters left, none of them with a condition."""
    whole = compose("quintuplet", ["run.name=new"])
    kept = tuple(dimension for dimension in whole.space.parameters if dimension.path in SEARCHED)
    assert {dimension.path for dimension in kept} == set(SEARCHED)
    plain = tuple(dataclasses.replace(dimension, when={}) for dimension in kept)
    return dataclasses.replace(whole, space=Space(plain))


@pytest.fixture(scope="module")
def earlier(config: Config, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Ten trials of that space, some of them stopped, and one failed."""
    path = tmp_path_factory.mktemp("earlier") / "old"
    run = RunDirectory.create(path, config=config.to_dict(), provenance={"data": DATA}, plan=PLAN)
    with pytest.MonkeyPatch.context() as patch, run.writer() as writer:
        patch.setattr("os.fsync", lambda _: None)
        session = Session(
            writer, space=config.space, trials=11, metric="uf1", policy=an_asha(), seed=1, sampler="random"
        )
        while (slot := session.next_trial()) is not None:
            if slot.trial == 3:
                session.fail(3, "NaN")
                continue
            fake = {"algorithm.lr": 10 ** (-2 - 0.2 * slot.trial), "algorithm.head": None}
            for subject in PLAN.subjects:
                if not session.report(slot.trial, [train(PLAN, slot.trial, fake, subject)]):
                    break
    return run


def start(config: Config, earlier: RunDirectory, **data: Any) -> dict[str, Any]:
    return warm_start(config, Source("new", {**DATA, **data}, PLAN), earlier)


def test_complete_and_stopped_trials_count_with_their_full_and_projected_scores(
    config: Config, earlier: RunDirectory
) -> None:
    state = earlier.read()
    best = state.best("uar")
    expected = [
        {
            "parameters": trial.parameters,
            "score": trial.score("uar") if trial.state == "complete" else projected_score(trial, best, "uar"),
            "seconds": 1.5,
        }
        for trial in state.trials.values()
        if trial.number != 3
    ]
    assert {trial.state for trial in state.trials.values()} == {"complete", "stopped", "failed"}
    uar = dataclasses.replace(config, search=dataclasses.replace(config.search, metric="uar"))
    assert start(uar, earlier) == {"run": "old", "path": str(earlier.path), "scored": 10, "trials": expected}


def test_a_narrower_space_takes_the_trials_that_lie_in_it_and_says_how_many(
    config: Config, earlier: RunDirectory
) -> None:
    rates = [float(str(t.parameters["algorithm.train.lr"])) for t in earlier.read().trials.values()]
    middle = float(np.median(rates))
    narrow = tuple(
        dataclasses.replace(d, high=middle) if isinstance(d, Float) and d.path == "algorithm.train.lr" else d
        for d in config.space.parameters
    )
    found = start(dataclasses.replace(config, space=Space(narrow)), earlier)
    below = sum(rate <= middle for number, rate in enumerate(rates) if number != 3)
    assert 0 < below == len(found["trials"]) < 10
    assert remarks({"warm_start": found}) == [
        f"the sampler starts with {below} of 10 trials of old; the other {10 - below} are no points of this space"
    ]
    assert remarks({}) == []


def test_a_parameter_that_is_fixed_now_counts_where_it_had_that_value(
    config: Config, earlier: RunDirectory
) -> None:
    rest = Space(tuple(d for d in config.space.parameters if d.path != "algorithm.views"))
    value = config.algorithm.settings["views"]
    found = start(dataclasses.replace(config, space=rest), earlier)
    same = [t for t in earlier.read().trials.values() if t.parameters["algorithm.views"] == value]
    assert len(found["trials"]) == sum(trial.number != 3 for trial in same) > 0
    assert all("algorithm.views" not in row["parameters"] for row in found["trials"])


def test_other_settings_beside_the_space_are_refused_by_name_and_another_seed_is_not(
    config: Config, earlier: RunDirectory
) -> None:
    other = dataclasses.replace(config, preprocess=dataclasses.replace(config.preprocess, frames=7))
    with pytest.raises(
        ConfigError, match=r"search\.warm_start needs a run with trials that are points"
    ) as error:
        start(other, earlier)
    assert error.value.received.endswith("10 trials with a score, which differ in preprocess.frames")
    others = Space(
        tuple(
            dataclasses.replace(d, low=1.0, high=2.0) if isinstance(d, Float) else d
            for d in config.space.parameters
        )
    )
    with pytest.raises(ConfigError, match=r"needs a run with trials that are points") as error:
        start(dataclasses.replace(config, space=others), earlier)
    rate = earlier.read().trials[0].parameters["algorithm.train.lr"]
    assert error.value.received.endswith(f"outside of what is searched for algorithm.train.lr ({rate})")
    reseeded = dataclasses.replace(config, run=dataclasses.replace(config.run, seed=5, root="/elsewhere"))
    assert start(reseeded, earlier) == start(config, earlier)


def test_scores_on_other_data_are_refused(config: Config, earlier: RunDirectory) -> None:
    with pytest.raises(DataError, match="on the same label set only") as error:
        start(config, earlier, labels="casme2-3")
    assert error.value.received == "new: casme2-3; old: casme2-5"


def test_the_run_is_found_by_name_or_path(config: Config, earlier: RunDirectory) -> None:
    def named(name: str | None) -> Config:
        search = dataclasses.replace(config.search, warm_start=name)
        run = dataclasses.replace(config.run, root=str(earlier.path.parent))
        return dataclasses.replace(config, search=search, run=run)

    assert find_earlier(named(None)) is None
    for name in ("old", str(earlier.path)):
        found = find_earlier(named(name))
        assert found is not None
        assert found.path == earlier.path
    with pytest.raises(
        RunError, match=r"search\.warm_start names a run: a run is a path, or a name"
    ) as error:
        find_earlier(named("oldd"))
    assert "--root" not in str(error.value.fix), "launch has no such option"


def test_conditions_are_followed_and_inactive_settings_are_of_no_account() -> None:
    settings = {"algorithm": {"head": "linear", "width": 8, "lr": 0.1, "mask": True}}

    def other(**changes: Any) -> dict[str, Any]:
        return {"algorithm": {**settings["algorithm"], **changes}}

    assert point_of(SPACE, settings, other(width=3, lr=0.01)) == {
        "algorithm.lr": 0.01,
        "algorithm.head": "linear",
        "algorithm.mask": True,
    }
    assert point_of(SPACE, settings, other(head="mlp", width=3)) is None, "a width of 3 is outside"
    found = point_of(SPACE, settings, other(head="mlp", width=4))
    assert found is not None
    assert found["algorithm.width"] == 4
    assert point_of(Space((Choice("algorithm.mask", (True,)),)), settings, other(lr=0.01)) is None
    assert point_of(Space((Int("algorithm.width", 1, 9),)), settings, {"algorithm": {}}) is None


def test_the_sampler_starts_where_the_earlier_run_was_good_and_goes_on_after_a_restart(
    tmp_path: Path,
) -> None:
    space = Space((Float("x", -1.0, 1.0),))
    history = [Scored({"x": x}, 1 - abs(x - 0.7)) for x in np.linspace(-1, 1, 21).tolist()]
    state = RunState(PLAN)

    def proposed(**more: Any) -> list[float]:
        drawn = [propose(state, space, n, seed=0, metric="uf1", **more)["x"] for n in range(12)]
        return [float(str(x)) for x in drawn]

    assert np.mean(np.abs(np.array(proposed(history=history)) - 0.7)) < 0.3
    assert proposed(history=history) != proposed()
    assert proposed(history=history, sampler="random") == proposed(sampler="random")

    known = [
        Scored({"algorithm.lr": 10.0**-k, "algorithm.head": "linear", "algorithm.mask": True}, k / 9)
        for k in (1, 2, 3, 4)
    ]
    whole, halting = a_run(tmp_path / "whole"), a_run(tmp_path / "halting")
    execute(whole, 6, history=known)
    with pytest.raises(Killed):
        execute(halting, 6, history=known, chunks=9)
    execute(halting, 6, history=known)
    assert (halting.path / "trials.jsonl").read_bytes() == (whole.path / "trials.jsonl").read_bytes()
    without = a_run(tmp_path / "without")
    execute(without, 6)
    assert (without.path / "trials.jsonl").read_bytes() != (whole.path / "trials.jsonl").read_bytes()


def test_what_is_frozen_into_a_run_is_read_back_and_outlives_the_earlier_run(
    config: Config, earlier: RunDirectory, tmp_path: Path
) -> None:
    copied = shutil.copytree(earlier.path, tmp_path / "old")
    found = start(config, RunDirectory.open(copied))
    shutil.rmtree(copied)
    back = json.loads(json.dumps({"warm_start": found}))
    assert [dataclasses.asdict(scored) for scored in scored_in(back)] == found["trials"]
    assert scored_in({}) == ()

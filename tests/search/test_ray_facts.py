"""Why searcher and scheduler are our own: facts about the installed Ray. A change may retire a work-around."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import optuna
import pytest
from ray import tune
from ray._private import services
from ray._private.authentication import authentication_token_setup as authentication
from ray._private.utils import get_ray_address_file
from ray.tune.execution import class_cache
from ray.tune.execution.tune_controller import TuneController, _get_max_pending_trials
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.schedulers.async_hyperband import _Bracket
from ray.tune.search import ConcurrencyLimiter, Searcher, SearchGenerator
from ray.tune.search.optuna import OptunaSearch

from mersearch.search.prestarted import workers_used

CONTINUE, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


def optuna_search() -> OptunaSearch:
    return OptunaSearch({"x": tune.uniform(0, 1)}, metric="uf1", mode="max")


def test_optuna_search_tells_a_trial_stopped_after_one_fold_as_complete_with_its_partial_score() -> None:
    search = optuna_search()
    search.suggest("a")
    search.on_trial_complete("a", {"uf1": 0.9, "training_iteration": 1, "done": True})
    (trial,) = search._ot_study.trials
    assert (trial.state, trial.value) == (optuna.trial.TrialState.COMPLETE, 0.9)


def test_optuna_search_swallows_nan_and_leaves_the_trial_running_for_ever() -> None:
    search = optuna_search()
    search.suggest("a")
    search.on_trial_complete("a", {"uf1": math.nan})
    assert search._ot_study.trials[0].state == optuna.trial.TrialState.RUNNING


def test_optuna_search_calls_every_study_optuna() -> None:
    assert optuna_search()._ot_study.study_name == "optuna"


def bracket() -> _Bracket:
    return _Bracket(min_t=1, max_t=4, reduction_factor=2, s=0)


def trial(name: str) -> Any:
    return Mock(trial_id=name)


def test_tunes_asha_never_stops_nan() -> None:
    rungs = bracket()
    rungs.on_result(trial("good"), 1, 0.9)
    assert rungs.on_result(trial("nan"), 1, math.nan) == CONTINUE


def test_tunes_asha_stops_on_the_evidence_of_a_single_other_trial() -> None:
    rungs = bracket()
    assert [rungs.on_result(trial(name), 1, value) for name, value in (("a", 0.9), ("b", 0.8))] == [
        CONTINUE,
        STOP,
    ]


def test_tunes_asha_files_a_report_that_jumps_over_a_rung_in_the_higher_rung_only() -> None:
    rungs = bracket()
    rungs.on_result(trial("jumper"), 3, 0.9)
    assert [(milestone, dict(recorded)) for milestone, recorded in rungs._rungs] == [
        (4, {}),
        (2, {"jumper": 0.9}),
        (1, {}),
    ]


def test_tunes_snapshot_forgets_the_scheduler() -> None:
    class Bare(TuneController):
        def __init__(self) -> None:
            self.__dict__ = dict.fromkeys(names, 0)

    names = [
        "_trials", "_live_trials", "_stop_queue", "_search_alg", "_placeholder_resolvers", "_scheduler_alg",
        "_pending_trial_queue_times", "_callbacks", "_checkpoint_manager", "_storage",
        "_insufficient_resources_manager", "_actor_manager", "_class_cache", "_resource_updater",
        "_trials_to_cache", "_trial_metadata", "_actor_to_trial", "_trial_to_actor",
        "_resources_to_pending_trials", "_pending_trials", "_pending_trials_list", "_running_trials",
        "_paused_trials", "_stopped_trials", "_failed_trials", "_resetting_trials", "_started_actors",
        "_stopping_actors", "_staged_trials", "_actor_cache",
    ]  # fmt: skip
    assert Bare().__getstate__() == {}


def test_a_searcher_without_a_limit_keeps_one_trial_pending() -> None:
    searcher = Searcher(metric="uf1", mode="max")
    assert _get_max_pending_trials(SearchGenerator(searcher)) == 1
    assert _get_max_pending_trials(SearchGenerator(ConcurrencyLimiter(searcher, max_concurrent=6))) == 6


@pytest.mark.parametrize(("limit", "again"), [(0, [False]), (2, [True, True, False]), (-1, [True] * 9)])
def test_a_worker_may_be_lost_as_often_as_max_failures_says_and_minus_one_is_for_ever(
    limit: int, again: list[bool]
) -> None:
    lost = Trial("toy", stub=True, max_failures=limit)
    found = []
    for _ in again:
        lost.run_metadata.num_failures += 1
        found.append(lost.should_recover())
    assert found == again


def test_a_result_that_says_done_ends_a_trial_without_asking_the_scheduler() -> None:
    assert Trial("toy", stub=True).should_stop({"done": True})


def test_a_plain_start_joins_whatever_ray_the_temporary_folder_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    Path(get_ray_address_file(str(tmp_path))).write_text("192.0.2.1:6379")
    assert services.canonicalize_bootstrap_address(None, str(tmp_path)) == "192.0.2.1:6379"
    assert services.canonicalize_bootstrap_address("local", str(tmp_path)) is None


def test_the_default_token_lies_in_the_users_home() -> None:
    assert authentication._get_default_token_path() == Path.home() / ".ray" / "auth_token"


def environment_of_an_actor() -> dict[str, Any]:
    actor = class_cache._ActorClassCache().get(type("Trained", (), {}))
    variables: dict[str, Any] = actor._default_options["runtime_env"].get("env_vars", {})
    return variables


def test_tune_gives_its_actors_an_environment_in_which_no_worker_is_ready_but_for_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")
    usual = {"PL_DISABLE_FORK": "1", "RAY_CHDIR_TO_TRIAL_DIR": "0"}
    assert environment_of_an_actor() == usual
    with workers_used():
        assert environment_of_an_actor() == {}
    assert environment_of_an_actor() == usual

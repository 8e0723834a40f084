"""What ends a search before its planned trials."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from mersearch.search.budget import Budget, budget_of, expected_seconds, fold_seconds, room
from mersearch.search.gain import expected_improvement, gain
from mersearch.search.policy import NoStopping
from mersearch.search.session import Session
from mersearch.store import Memory, progress
from tests.runs import SPACE, a_plan, an_asha, train

PLAN = a_plan(6)
HOURS = 6 * 1.5 / 3600
"""Of a complete trial on one card: `train` says that a fold takes 1.5 s."""


def a_session(
    memory: Memory, budget: Budget, trials: int = 20, clock: Iterator[float] | None = None, **more: object
) -> Session:
    options = {"policy": NoStopping(), "seed": 7, "startup": 4, **more}
    now = clock or itertools.repeat(0.0)
    return Session(
        memory, space=SPACE, trials=trials, metric="uf1", budget=budget, clock=lambda: next(now), **options
    )


def run(session: Session, trials: int | None = None) -> int:
    """Trials that one worker runs until the session has no more, or so many."""
    done = 0
    while done != trials and (slot := session.next_trial()) is not None:
        for subject in PLAN.subjects[slot.done :]:
            if not session.report(slot.trial, [train(PLAN, slot.trial, slot.parameters, subject)]):
                break
        done += 1
    return done


def test_hours_of_cards_end_a_search_before_the_trial_that_would_exceed_them() -> None:
    memory = Memory(PLAN)
    session = a_session(memory, Budget(gpu_hours=4.5 * HOURS, cards=1))
    assert run(session) == 4
    assert session.progress().finished
    assert session.progress().coming == 0
    spent = f"{4 * HOURS:.3g} of {4.5 * HOURS:g} GPU-hours are spent"
    assert session.progress().shortfall == f"{spent}, a trial takes about {HOURS:.2g}"
    assert Budget(cards=1).spent(memory.state) == pytest.approx(4 * HOURS)
    more = a_session(memory, Budget(gpu_hours=6.5 * HOURS, cards=1))
    assert run(more) == 2, "a larger budget extends it"


def test_every_fold_costs_the_cards_that_it_held_also_where_its_trial_started_again() -> None:
    memory = Memory(PLAN)
    session = a_session(memory, Budget(cards=1))
    slot = session.next_trial()
    assert slot is not None
    folds = [train(PLAN, slot.trial, slot.parameters, subject) for subject in PLAN.subjects]
    held = [0.25, 0.25, 1.0, None, 0.5, 0.5]
    for fold, gpus in zip(folds[:3], held, strict=False):
        session.report(slot.trial, [dataclasses.replace(fold, gpus=gpus)])
    session.restart(slot.trial, "loop", "out of memory")
    for fold, gpus in zip(folds, held, strict=True):
        session.report(slot.trial, [dataclasses.replace(fold, gpus=gpus)])
    cards = sum(held[:3]) + sum(2.0 if gpus is None else gpus for gpus in held)  # type: ignore[arg-type]
    assert Budget(cards=2).spent(memory.state) == pytest.approx(1.5 * cards / 3600)


def test_a_share_of_a_card_costs_its_share_and_processors_nothing() -> None:
    assert run(a_session(Memory(PLAN), Budget(gpu_hours=4.5 * HOURS, cards=0.5), 12, sampler="random")) == 9
    assert run(a_session(Memory(PLAN), Budget(gpu_hours=0.1 * HOURS, cards=0), 12, sampler="random")) == 12


def test_what_running_trials_still_need_is_counted_until_they_are_over() -> None:
    memory = Memory(PLAN)
    session = a_session(memory, Budget(gpu_hours=3.5 * HOURS, cards=1))
    assert run(session, trials=1) == 1
    second, third = session.next_trial(), session.next_trial()
    assert second is not None
    assert third is not None
    assert session.next_trial() is None
    assert session.waits, "whether there is a fourth one depends on these two"
    assert "the running ones up to" in session.progress().ended
    session.fail(second.trial, "NaN")
    assert not session.waits
    assert session.next_trial() is not None, "it needed nothing after all"


def test_time_lets_no_trial_begin_that_would_not_end_and_is_up_at_the_deadline() -> None:
    memory, now = Memory(PLAN), [0.0]
    session = a_session(memory, Budget(), clock=iter(lambda: now[0], None), deadline=60.0)
    assert run(session, trials=2) == 2
    assert expected_seconds(memory.state) == pytest.approx(9.0)
    now[0] = 51.0
    assert session.next_trial() is not None
    assert not session.late
    assert (session.progress().remaining, session.progress().capped) == (pytest.approx(9.0), True)
    now[0] = 51.1
    assert session.next_trial() is None
    assert not session.waits
    assert not session.progress().finished, "another command goes on"
    now[0] = 60.0
    assert session.late


def test_before_anything_is_known_a_trial_begins() -> None:
    memory = Memory(PLAN)
    assert expected_seconds(memory.state) is None
    assert fold_seconds(memory.state) == 0
    tight = a_session(memory, Budget(gpu_hours=1e-9, cards=1), deadline=1.0)
    assert tight.next_trial() is not None


def test_a_flat_search_ends_when_the_rest_promises_less_than_the_best_score_is_sure_of() -> None:
    memory = Memory(PLAN)
    session = a_session(memory, Budget(flat=True, startup=4), trials=60, policy=an_asha())
    trials = run(session)
    assert 8 <= trials < 60
    found = gain(memory.state, "uf1", coming=60 - trials, fewest=8)
    assert found is not None
    assert found.expected < found.error
    assert session.progress().shortfall.startswith(f"no more to gain: {60 - trials} trials promise +0.")
    before = [t.number for t in memory.state.trials.values()][:-1]
    assert len(before) >= 8, "the trial before the last was proposed because there was something to gain"


def test_a_stopped_trial_that_might_have_been_better_is_not_the_score_to_be_improved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = Memory(PLAN)
    run(a_session(memory, Budget(), trials=12, policy=an_asha()))
    best = memory.state.best("uf1")
    assert best is not None
    assert memory.state.in_state("stopped")
    monkeypatch.setattr("mersearch.search.projection.projected_score", lambda *_: 0.99)
    scores = [
        trial.score("uf1") or 0.0 if trial.state == "complete" else 0.99
        for trial in memory.state.trials.values()
    ]
    found = gain(memory.state, "uf1", coming=5, fewest=12)
    assert found is not None
    assert found.expected == expected_improvement(scores, best.score("uf1") or 0.0, 5)


def test_the_expected_improvement_of_one_draw_has_a_closed_form() -> None:
    sample, best = [0.4, 0.5, 0.55, 0.61], 0.6
    mean, sd = float(np.mean(sample)), float(np.std(sample))
    z = (mean - best) / sd
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    closed = sd * (z * 0.5 * math.erfc(-z / math.sqrt(2)) + density)
    assert expected_improvement(sample, best, 1) == pytest.approx(closed, rel=1e-3)


@pytest.mark.parametrize(("best", "draws"), [(0.6, 20), (0.2, 3), (0.9, 200), (-5.0, 2)])
def test_the_expected_improvement_is_that_of_many_draws(best: float, draws: int) -> None:
    sample = [0.4, 0.5, 0.55, 0.61]
    rng = np.random.Generator(np.random.PCG64(0))
    highest = rng.normal(np.mean(sample), np.std(sample), (4000, draws)).max(1)
    gains = np.maximum(0, highest - best)
    error = 4 * gains.std() / math.sqrt(len(gains)) + 1e-3 * gains.mean()
    assert expected_improvement(sample, best, draws) == pytest.approx(gains.mean(), abs=error + 1e-5)


def test_nothing_to_come_and_nothing_that_varies_improve_nothing() -> None:
    assert expected_improvement([0.4, 0.6], 0.5, 0) == 0
    assert expected_improvement([0.4, 0.4], 0.5, 9) == 0
    assert expected_improvement([0.5, 0.5], 0.4, 9) == pytest.approx(0.1)


def test_no_gain_is_foretold_from_too_few_scores() -> None:
    memory = Memory(PLAN)
    assert gain(memory.state, "uf1", coming=3, fewest=1) is None
    run(a_session(memory, Budget()), trials=3)
    assert gain(memory.state, "uf1", coming=3, fewest=4) is None
    assert gain(memory.state, "uf1", coming=3, fewest=3) is not None


def test_the_budget_of_a_run_is_in_its_configuration_also_of_one_older_than_the_keys() -> None:
    search = {"metric": "uar", "startup": 5, "gpu_hours": 2.0, "stop_when_flat": True}
    cuda, cpu = {"device": "cuda"}, {"device": "cpu"}
    assert budget_of({"search": search, "trial": {"gpus": 0.5}}, cuda) == Budget(2.0, 0.5, True, "uar", 5)
    assert budget_of({"search": search, "trial": {"gpus": "auto"}}, cuda).cards == 1
    assert budget_of({"search": search, "trial": {"gpus": "auto"}}, cpu).cards == 0
    assert budget_of({"search": {"metric": "uf1", "trials": 3}}, {}) == Budget()


def test_a_budget_keeps_a_tenth_for_the_last_words_at_most_a_minute() -> None:
    assert (room(100), room(600), room(36_000)) == (10, 60, 60)


def test_an_ended_search_expects_no_time_for_trials_that_do_not_come() -> None:
    memory = Memory(PLAN)
    run(a_session(memory, Budget()), trials=2)
    assert progress(memory.state, metric="uf1", planned=9).remaining == pytest.approx(7 * 9.0)
    over = progress(memory.state, metric="uf1", planned=9, ended="enough")
    assert (over.remaining, over.finished, over.shortfall) == (0, True, "enough")


def test_folds_behind_a_gap_are_spent_and_not_needed_once_more() -> None:
    memory = Memory(PLAN)
    session = a_session(memory, Budget(gpu_hours=2 * HOURS, cards=1))
    slot = session.next_trial()
    assert slot is not None
    for subject in PLAN.subjects[1:]:
        session.report(slot.trial, [train(PLAN, slot.trial, slot.parameters, subject)])
    assert session.next_trial() is not None, "this trial and another one cost the budget, not more"

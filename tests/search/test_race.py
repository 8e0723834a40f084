from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from mersearch.metrics import METRICS, uf1
from mersearch.search.gradient import GRADIENTS
from mersearch.search.policy import Snapshot
from mersearch.search.race import Race, deviation
from tests.runs import a_plan, a_race, a_run, execute
from tests.search.test_projection import by_loops

FOLDS, CLASSES = 12, 3
SIZES = np.random.default_rng(5).integers(0, 4, (FOLDS, CLASSES)) + (np.arange(FOLDS)[:, None] < 4)


def a_trial(seed: int, skill: float) -> np.ndarray:
    """Pooled counts [13, 3, 3] of a trial that gets a clip right with this chance, else guesses."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((FOLDS + 1, CLASSES, CLASSES), int)
    for k, sizes in enumerate(SIZES):
        for y, clips in enumerate(sizes):
            chances = np.full(CLASSES, (1 - skill) / CLASSES) + skill * (np.arange(CLASSES) == y)
            counts[k + 1, y] = rng.multinomial(clips, chances)
    return counts.cumsum(0)


def deviation_by_loops(prefix: np.ndarray, reference: np.ndarray) -> float:
    """METHODS: D_ky, its mean per class, and what is left of it per fold; one entry at a time."""
    g, m = GRADIENTS["uf1"](reference[-1]), len(prefix) - 1
    own = [prefix[k + 1] - prefix[k] for k in range(m)]
    other = [reference[k + 1] - reference[k] for k in range(m)]
    D = [
        [sum(g[y, j] * (own[k][y, j] - other[k][y, j]) for j in range(3)) for y in range(3)] for k in range(m)
    ]
    n = [[int(own[k][y].sum()) for y in range(3)] for k in range(m)]
    mean = [sum(D[k][y] for k in range(m)) / max(1, sum(n[k][y] for k in range(m))) for y in range(3)]
    e = [sum(D[k][y] - n[k][y] * mean[y] for y in range(3)) for k in range(m)]
    present = sum(any(n[k][y] for k in range(m)) for y in range(3))
    return m / (m - present) * sum(value**2 for value in e) / sum(map(sum, n))


@given(seed=st.integers(0, 99), m=st.integers(4, FOLDS))
def test_the_deviation_follows_the_formula(seed: int, m: int) -> None:
    trial, reference = a_trial(seed, 0.4), a_trial(seed + 100, 0.6)
    found = deviation("uf1", trial[: m + 1], reference)
    assert found == pytest.approx(deviation_by_loops(trial[: m + 1], reference))


def test_no_deviation_is_known_from_as_few_folds_as_classes() -> None:
    trial, reference = a_trial(0, 0.4), a_trial(1, 0.6)
    assert deviation("uf1", trial[:4], reference) is None
    assert deviation("uf1", np.zeros((6, 3, 3), int), np.zeros((13, 3, 3), int)) is None


@pytest.mark.parametrize("alpha", [0.02, 0.2])
@pytest.mark.parametrize("m", [4, 7])
def test_a_verdict_is_the_projected_gap_against_the_students_quantile_of_its_deviation(
    alpha: float, m: int
) -> None:
    complete = {number: a_trial(number, skill) for number, skill in ((0, 0.5), (2, 0.8), (5, 0.6))}
    keeps = set()
    for seed in range(10, 60):
        trial = a_trial(seed, 0.3 + seed % 5 / 10)
        best = max(complete, key=lambda number: uf1(complete[number][-1]))
        assert best == 2
        reference = complete[best]
        rest = reference[-1] - reference[m]
        gap = uf1(by_loops(trial[m], reference[m], rest)) - uf1(reference[-1])
        then = [deviation_by_loops(complete[2], complete[0]), deviation_by_loops(complete[5], complete[2])]
        own = deviation_by_loops(trial[: m + 1], reference)
        pooled = (4 * sum(then) / 2 + (m - 1) * own) / (m + 3)
        sd = math.sqrt(pooled * rest.sum() * (1 + rest.sum() / trial[m].sum()))
        keep = gap >= -student.ppf(1 - alpha, m + 3) * sd
        running = {7: trial[: m + 1], 8: trial[:3]}
        verdict = a_race(alpha=alpha).decide(
            Snapshot("uf1", FOLDS, {**complete, **running}), 7, trial[: m + 1]
        )
        assert (verdict.keep, verdict.peers) == (keep, (0, 2, 5))
        assert verdict.basis["gap"] == pytest.approx(gap)
        assert verdict.basis["sd"] == pytest.approx(sd)
        assert verdict.basis["incumbent"] == 2
        keeps.add(keep)
    assert keeps == {True, False}


@pytest.mark.parametrize(
    ("folds", "looks"), [(26, (4, 7, 10, 13, 20)), (68, (9, 17, 26, 34, 51)), (8, (3, 4, 6)), (3, ())]
)
def test_looks_are_shares_rounded_up_of_at_least_three_folds(folds: int, looks: tuple[int, ...]) -> None:
    assert a_race(rungs=(1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4)).looks(folds) == looks


def test_with_as_few_folds_as_classes_the_spread_is_that_of_earlier_trials() -> None:
    trials = {k: a_trial(k, 0.5) for k in range(3)}
    trial, reference = a_trial(9, 0.4), trials[max(trials, key=lambda k: uf1(trials[k][-1]))]
    best = 0
    then = []
    for k in (1, 2):
        then.append(deviation_by_loops(trials[k], trials[best]))
        best = k if uf1(trials[k][-1]) > uf1(trials[best][-1]) else best
    verdict = a_race().decide(Snapshot("uf1", FOLDS, trials), 9, trial[:4])
    rest = float((reference[-1] - reference[3]).sum())
    sd = math.sqrt(sum(then) / 2 * rest * (1 + rest / trial[3].sum()))
    assert verdict.basis["sd"] == pytest.approx(sd)
    assert verdict.basis["limit"] == pytest.approx(-student.ppf(0.9, 4) * sd)


def test_before_any_spread_is_known_every_trial_goes_on() -> None:
    verdict = a_race(first=1).decide(Snapshot("uf1", FOLDS, {0: a_trial(0, 0.9)}), 9, a_trial(77, 0.0)[:4])
    assert verdict.keep
    assert set(verdict.basis) == {"incumbent", "gap"}


def hopeless(race: Race, complete: int, number: int = 99) -> bool:
    trials = {k: a_trial(k, 0.9) for k in range(complete)}
    return race.decide(Snapshot("uf1", FOLDS, trials), number, a_trial(77, 0.0)[:8]).keep


def test_every_trial_goes_on_until_enough_are_complete() -> None:
    assert [hopeless(a_race(first=3), complete) for complete in range(5)] == [True, True, True, False, False]
    assert [hopeless(a_race(first=1), complete) for complete in range(3)] == [True, False, False]


def test_unfinished_trials_are_nobodys_incumbent() -> None:
    trials = {k: a_trial(k, 0.9)[:-1] for k in range(5)}
    assert a_race(first=1).decide(Snapshot("uf1", FOLDS, trials), 99, a_trial(77, 0.0)[:8]).keep


def test_an_audited_trial_goes_on_and_its_verdict_tells_that_it_would_have_been_stopped() -> None:
    race = a_race(audit=0.1)
    audited = [number for number in range(10, 2010) if race.audited(number)]
    assert 0.08 < len(audited) / 2000 < 0.12
    assert audited != [number for number in range(10, 2010) if a_race(audit=0.1, seed=1).audited(number)]
    trials = {k: a_trial(k, 0.9) for k in range(3)}
    verdict = race.decide(Snapshot("uf1", FOLDS, trials), audited[0], a_trial(77, 0.0)[:8])
    assert verdict.keep
    assert verdict.basis["gap"] < verdict.basis["limit"]
    assert "audit" in verdict.why
    assert verdict.basis["audited"] == 1
    assert not hopeless(race, 3, next(k for k in range(10, 2010) if k not in audited))


def test_a_stricter_level_stops_no_trial_that_a_bolder_one_keeps() -> None:
    trials = {k: a_trial(k, 0.6) for k in range(4)}
    kept = {alpha: set() for alpha in (0.02, 0.1, 0.2)}  # type: dict[float, set[int]]
    for alpha, numbers in kept.items():
        for seed in range(20, 90):
            if a_race(alpha=alpha).decide(Snapshot("uf1", FOLDS, trials), 99, a_trial(seed, 0.3)[:8]).keep:
                numbers.add(seed)
    assert kept[0.2] < kept[0.1] < kept[0.02]


def test_a_shortfall_within_delta_is_no_reason_to_stop() -> None:
    trials = {k: a_trial(k, 0.9) for k in range(3)}
    verdict = a_race().decide(Snapshot("uf1", FOLDS, trials), 99, a_trial(3, 0.5)[:8])
    short = verdict.basis["limit"] - verdict.basis["gap"]
    assert short > 0
    for delta, keep in ((short * 0.99, False), (short * 1.01, True)):
        again = a_race(delta=delta).decide(Snapshot("uf1", FOLDS, trials), 99, a_trial(3, 0.5)[:8])
        assert again.keep == keep


def test_a_value_that_is_not_a_number_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "uf1", lambda _: math.nan)
    assert not hopeless(a_race(), 0)
    assert not hopeless(a_race(), 5)


def test_a_chunk_over_several_looks_is_judged_at_each_in_order(tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", a_plan(9, 7))
    execute(run, 12, policy=a_race(rungs=(0.45, 0.55, 0.75), alpha=0.4))
    stopped = run.read().in_state("stopped")
    assert stopped
    for trial in stopped:
        looks = sorted(trial.verdicts)
        assert looks == [5, 7][: len(looks)]
        assert [trial.verdicts[look].keep for look in looks] == [True] * (len(looks) - 1) + [False]
        assert trial.done == 7

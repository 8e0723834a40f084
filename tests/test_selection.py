from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from mersearch import seeds
from mersearch.metrics import METRICS, scores, uf1
from mersearch.selection import Competition, correct, impute, resample, select, strata_of
from mersearch.student import quantile


def a_competition(
    configurations: int, subjects: int = 8, classes: int = 3, seed: int = 0, skill: float = 0.5
) -> Competition:
    """All folds of configurations of one skill."""
    rng = np.random.default_rng(seed)
    clips = rng.integers(0, 5, (subjects, classes)) + (np.arange(subjects)[:, None] < 2)
    chances = (1 - skill) / classes + skill * np.eye(classes)
    counts = rng.multinomial(np.broadcast_to(clips, (configurations, subjects, classes)), chances)
    done = np.ones((configurations, subjects), bool)
    return Competition(counts, done, done.all(1), clips, np.zeros(subjects, np.int64))


def best(competition: Competition, metric: str = "uf1") -> int:
    scores = [METRICS[metric](counts.sum(0)) for counts in competition.counts]
    return int(np.argmax(scores))


def changed(competition: Competition, **arrays: Any) -> Competition:
    return dataclasses.replace(competition, **arrays)


@pytest.mark.parametrize("metric", METRICS)
def test_one_configuration_was_not_selected_so_nothing_is_corrected(metric: str) -> None:
    found = correct(a_competition(1), 0, metric)
    assert found.corrected == found.naive
    assert np.array_equal(found.per_subject, a_competition(1).counts[0])


def test_the_same_configuration_twice_changes_nothing() -> None:
    one = a_competition(6)
    twice = changed(
        one,
        counts=np.concatenate([one.counts, one.counts]),
        done=np.concatenate([one.done, one.done]),
        panel=np.concatenate([one.panel, one.panel]),
    )
    first, second = correct(one, best(one), "uf1"), correct(twice, best(one), "uf1")
    assert (second.corrected, second.low, second.high) == (first.corrected, first.low, first.high)


def test_the_order_of_the_subjects_matters_only_through_the_draws() -> None:
    one, order = a_competition(20, subjects=20), np.random.default_rng(1).permutation(20)
    other = changed(one, counts=one.counts[:, order], clips=one.clips[order])
    first, second = (correct(each, best(one), "uf1", draws=4000).corrected for each in (one, other))
    assert second == pytest.approx(first, abs=0.01)


def test_every_resample_of_three_subjects_by_hand() -> None:
    """All 27 samples of three subjects, each once: the pick, the left-out subjects and what is pooled of them."""
    competition = a_competition(3, subjects=3, seed=4, skill=0.3)
    samples = [np.bincount(sample, minlength=3) for sample in itertools.product(range(3), repeat=3)]
    weights = np.array(samples, float)
    expected = []
    for sample in samples:
        scores = [uf1(sum(sample[k] * counts[k] for k in range(3))) for counts in competition.counts]
        expected.append(scores.index(max(scores)))
    picks = select(competition.counts.astype(float), competition.clips, weights, "uf1")
    assert picks.tolist() == expected
    assert len(set(expected)) > 1
    pooled = np.zeros((3, 3, 3))
    for k in range(3):
        outside = [pick for sample, pick in zip(samples, expected, strict=True) if not sample[k]]
        pooled[k] = sum(competition.counts[pick, k] for pick in outside) / len(outside)
    found = correct(competition, best(competition), "uf1", repeats=5, draws=20000)
    assert found.per_subject == pytest.approx(pooled, abs=0.03)
    assert found.corrected == pytest.approx(uf1(pooled.sum(0)), abs=0.01)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_of_many_are_the_metric_of_each(metric: str) -> None:
    counts = np.random.default_rng(0).integers(0, 4, (5, 7, 3, 3)).astype(float)
    counts[0, 0] = 0
    counts[1, :, 2] = 0
    expected = [[METRICS[metric](counts[i, j]) for j in range(7)] for i in range(5)]
    assert scores(metric, counts) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("metric", METRICS)
def test_the_pick_of_a_sample_has_the_highest_metric_and_the_lowest_place(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    competition = a_competition(9)
    weights = resample(competition.strata, 60, np.random.default_rng(0))
    expected = []
    for sample in weights:
        scores = [METRICS[metric](np.einsum("k,kij->ij", sample, each)) for each in competition.counts]
        expected.append(int(np.argmax(np.round(scores, 12))))
    counts = competition.counts.astype(float)
    assert select(counts, competition.clips, weights, metric).tolist() == expected
    monkeypatch.setattr("mersearch.selection.BLOCK", 1)
    assert select(counts, competition.clips, weights, metric).tolist() == expected


def test_subjects_are_drawn_within_their_database() -> None:
    strata = np.array([0, 0, 0, 1, 1, 2])
    weights = resample(strata, 50, np.random.default_rng(0))
    for stratum, size in enumerate((3, 2, 1)):
        assert (weights[:, strata == stratum].sum(1) == size).all()
    assert len(np.unique(weights, axis=0)) > 10


def test_the_only_subject_of_a_database_is_left_out_too_and_its_clips_are_expected() -> None:
    competition = a_competition(4)
    names = [*(f"casme2/{k}" for k in range(len(competition.clips) - 1)), "samm/0"]
    found = correct(changed(competition, strata=strata_of(names)), 0, "uf1", draws=200)
    assert found.per_subject.sum(2) == pytest.approx(competition.clips)


def test_subjects_of_several_databases_are_strata_but_the_only_ones_of_theirs() -> None:
    names = ("samm/1", "casme2/1", "samm/2", "smic/1", "casme2/2", "casme2/3", "mmew/1")
    assert strata_of(names).tolist() == [2, 0, 2, 0, 0, 0, 0]
    assert strata_of(("a/1", "b/1", "c/1")).tolist() == [0, 0, 0]
    assert strata_of(("plain", "names", "only")).tolist() == [0, 0, 0]


def stopped(competition: Competition, folds: int, complete: int = 2) -> Competition:
    """All but the first `complete` configurations lack the folds after the first `folds`."""
    done = competition.done.copy()
    done[complete:, folds:] = False
    counts = np.where(done[:, :, None, None], competition.counts, -99)
    return changed(competition, counts=counts, done=done, panel=done.all(1))


def test_missing_folds_are_drawn_with_their_clips_and_finished_ones_kept() -> None:
    whole = a_competition(5)
    given = stopped(whole, 3)
    filled = impute(given, seeds.generator("test"))
    assert np.array_equal(filled[:2], whole.counts[:2])
    assert np.array_equal(filled[:, :3], whole.counts[:, :3])
    assert np.array_equal(filled.sum(3), np.broadcast_to(whole.clips, (5, 8, 3)))
    assert (filled >= 0).all()
    again = impute(given, seeds.generator("test"))
    assert np.array_equal(filled, again)


def test_what_is_imputed_follows_the_formula_on_average() -> None:
    whole = a_competition(3, skill=0.4)
    given = stopped(whole, 4)
    n, panel = whole.clips, whole.counts[:2].mean(0)
    seen = n[:4].sum(0)
    apart = whole.counts[2, :4].sum(0) - panel[:4].sum(0)
    rng = np.random.default_rng(0)
    mean = np.mean([impute(given, rng)[2] for _ in range(3000)], axis=0)
    for k in range(4, 8):
        for y in range(3):
            w = n[k, y] / (n[k, y] + 1)
            own = panel[k, y] / n[k, y] if n[k, y] else np.zeros(3)
            base = w * own + (1 - w) * panel[:, y].sum(0) / n[:, y].sum()
            p = np.maximum(base + apart[y] / max(1, seen[y]) * seen[y] / (seen[y] + 6), 0.01)
            assert mean[k, y] == pytest.approx(n[k, y] * p / p.sum(), abs=0.12)


def test_the_interval_is_a_students_around_the_corrected_score() -> None:
    competition = a_competition(12, subjects=26)
    found = correct(competition, best(competition), "uf1")
    own, rng = competition.counts[best(competition)], np.random.default_rng(1)
    scores = [uf1(own[rng.integers(0, 26, 26)].sum(0)) for _ in range(4000)]
    half = (found.high - found.low) / 2
    assert half >= quantile(0.975, 25) * np.std(scores) * 0.95
    assert found.low < found.corrected < found.high
    assert (found.configurations, found.subjects, found.reliable) == (12, 26, True)
    assert not correct(a_competition(2), 0, "uf1").reliable


@pytest.mark.parametrize("spoiled", ["winner", "panel"])
def test_a_winner_and_a_panel_need_all_folds(spoiled: str) -> None:
    competition = stopped(a_competition(4), 3)
    if spoiled == "panel":
        competition = changed(competition, panel=np.zeros(4, bool))
    with pytest.raises(ValueError, match="the winner needs all folds"):
        correct(competition, 3 if spoiled == "winner" else 0, "uf1")


def race(seed: int, configurations: int, subjects: int = 26) -> tuple[Competition, float]:
    """Equally good configurations, raced: after 7 folds the better half goes on, after 13 the best eighth; truth."""
    rng, classes = np.random.default_rng(seed), 3
    clips = rng.integers(1, 6, (subjects, classes))
    logits = 1.2 * np.eye(classes) + rng.normal(0, 0.5, (subjects, classes, classes))
    own = logits + rng.normal(0, 1.0, (configurations, subjects, classes, classes))
    rates = np.exp(own) / np.exp(own).sum(-1, keepdims=True)
    counts = rng.multinomial(np.broadcast_to(clips, rates.shape[:3]), rates)
    far = 1.2 * np.eye(classes) + rng.normal(0, np.hypot(0.5, 1.0), (20000, classes, classes))
    truth = uf1((np.exp(far) / np.exp(far).sum(-1, keepdims=True)).mean(0) * clips.sum(0)[:, None])
    done = np.ones(counts.shape[:2], bool)
    for folds, share in ((7, 2), (13, 8)):
        reached = np.where(done[:, folds], scores("uf1", counts[:, :folds].sum(1)), -1)
        done[np.argsort(-reached)[configurations // share :], folds:] = False
    return Competition(counts, done, done.all(1), clips, np.zeros(subjects, np.int64)), truth


def winner(competition: Competition) -> int:
    found = scores("uf1", competition.counts.sum(1))
    return int(np.where(competition.panel, found, -1).argmax())


def test_the_corrected_score_is_honest_where_that_of_the_survivors_alone_is_not() -> None:
    naive, corrected, survivors, inside = [], [], [], 0
    for seed in range(40):
        competition, truth = race(seed, 64)
        found = correct(competition, winner(competition), "uf1", repeats=2, draws=300)
        kept = Competition(
            competition.counts[competition.panel],
            competition.done[competition.panel],
            competition.panel[competition.panel],
            competition.clips,
            competition.strata,
        )
        alone = correct(kept, winner(kept), "uf1", repeats=1, draws=300)
        naive.append(found.naive - truth)
        corrected.append(found.corrected - truth)
        survivors.append(alone.corrected - truth)
        inside += found.low <= truth <= found.high
    assert np.mean(naive) >= 0.05
    assert abs(np.mean(corrected)) <= 0.025
    assert np.mean(survivors) > 0.025
    assert inside >= 36

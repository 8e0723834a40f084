from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mersearch.metrics import METRICS
from mersearch.search.asha import Asha
from mersearch.search.policy import Snapshot
from tests.runs import an_asha


def with_accuracy(right: int, of: int = 20, folds: int = 2) -> np.ndarray:
    """Pooled counts [folds + 1, 2, 2]: nothing until the last fold, then `right` of `of` clips."""
    counts = np.zeros((folds + 1, 2, 2), int)
    counts[-1] = [[right, of - right], [0, 0]]
    return counts


def keeps(asha: Asha, values: list[int], own: int) -> bool:
    counts = {number: with_accuracy(value) for number, value in enumerate(values)}
    return asha.decide(Snapshot("accuracy", 9, counts), 99, with_accuracy(own)).keep


@pytest.mark.parametrize(
    ("folds", "looks"),
    [(26, (4, 7, 13)), (8, (2, 4)), (68, (9, 17, 34)), (4, (2,)), (3, (2,)), (2, ()), (1, ())],
)
def test_rungs_are_shares_rounded_up_of_at_least_two_folds(folds: int, looks: tuple[int, ...]) -> None:
    assert an_asha(rungs=(1 / 8, 1 / 4, 1 / 2)).looks(folds) == looks


def test_a_rung_at_all_folds_is_left_out() -> None:
    assert an_asha(rungs=(0.5, 1.0)).looks(10) == (5,)


@given(share=st.fractions(0, 1, max_denominator=40), folds=st.integers(3, 80))
def test_a_share_given_as_a_float_rounds_as_the_exact_one(share: object, folds: int) -> None:
    exact = max(2, math.ceil(share * folds))  # type: ignore[operator]
    assert an_asha(rungs=(float(share),)).looks(folds) == ((exact,) if exact < folds else ())  # type: ignore[arg-type]


@given(
    values=st.lists(st.integers(0, 20), max_size=12),
    own=st.integers(0, 20),
    eta=st.integers(2, 5),
    min_peers=st.integers(0, 4),
)
def test_a_trial_goes_on_when_its_place_in_the_sorted_values_is_in_the_top_share(
    values: list[int], own: int, eta: int, min_peers: int
) -> None:
    order = sorted([*values, own], reverse=True)
    place = order.index(own)
    top = -(-len(order) // eta)
    expected = place < top or len(values) < min_peers
    assert keeps(an_asha(eta=eta, min_peers=min_peers), values, own) == expected


def test_ties_go_on() -> None:
    assert keeps(an_asha(eta=4, min_peers=0), [10] * 11, 10)


def test_the_first_trials_at_a_rung_go_on_until_there_are_enough_peers() -> None:
    asha = an_asha(min_peers=3)
    assert keeps(asha, [20, 20], 0)
    assert not keeps(asha, [20, 20, 20], 0)


def test_a_verdict_says_what_it_was_based_on() -> None:
    counts = {5: with_accuracy(15), 3: with_accuracy(5), 1: with_accuracy(12), 7: with_accuracy(9, folds=1)}
    verdict = an_asha(min_peers=2).decide(Snapshot("accuracy", 9, counts), 7, with_accuracy(6))
    assert (verdict.keep, verdict.value, verdict.peers) == (False, 6 / 20, (1, 3, 5))
    assert verdict.why == "place 3 of 4 after 2 folds, the first 2 go on"


def test_a_value_that_is_not_a_number_loses_and_ranks_below_every_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def some(counts: np.ndarray) -> float:
        return math.nan if counts[0, 0] == 13 else float(counts[0, 0])

    monkeypatch.setitem(METRICS, "accuracy", some)
    asha = an_asha(min_peers=2)
    assert not keeps(asha, [], 13)
    assert not keeps(asha, [1, 2, 3], 13)
    assert keeps(asha, [13, 13, 13], 0)

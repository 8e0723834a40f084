"""The frozen fold order, and that a fold never trains on its subject."""

from __future__ import annotations

import hashlib
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mersearch.algorithm import Labels, Shapes
from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import Fold, People, fold_order, folds
from mersearch.errors import DataError


def labels(emotion, subject) -> Labels:
    n = len(emotion)
    return Labels(
        np.array(emotion, np.int64), np.array(subject, np.int64), np.zeros((n, 16), bool), np.zeros(n, bool)
    )


def clips(emotion, subject, names) -> Clips:
    ids = tuple(f"{names[k]}/{i}" for i, k in enumerate(subject))
    return Clips(ids, None, None, labels(emotion, subject), tuple(names))


def dataset(micro: Clips, macro: Clips | None = None) -> DataSet:
    shapes = Shapes(8, 64, ("flow",), ("a", "b", "c"), (), (), len(micro.subjects))
    return DataSet(micro, macro, shapes, "0" * 64)


@st.composite
def tables(draw):
    """(class, subject) of every clip, and the subjects' names; some subjects may have no clip."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40))
    names = [f"casme2/{k:02d}" for k in range(6)]
    return [c for c, _ in pairs], [k for _, k in pairs], names


def naive_order(emotion, subject, names):
    """The rule of the design, clip by clip, for one next subject after the other."""
    chosen: list[str] = []
    held = {names[k] for k in subject}
    while len(chosen) < len(held):
        best = None
        for name in held - set(chosen):
            total = 0.0
            terms = []
            for label in sorted(set(emotion)):
                have = sum(
                    1
                    for c, k in zip(emotion, subject, strict=True)
                    if c == label and names[k] in (*chosen, name)
                )
                terms.append(math.sqrt(have / emotion.count(label)))
            total = math.fsum(terms)
            size = sum(1 for k in subject if names[k] == name)
            key = (total, size)
            digest = hashlib.sha256(name.encode()).hexdigest()
            if best is None or key > best[0] or (key == best[0] and digest < best[1]):
                best = (key, digest, name)
        chosen.append(best[2])
    return tuple(chosen)


@given(tables())
def test_the_order_is_that_of_the_naive_rule(table):
    emotion, subject, names = table
    assert fold_order(labels(emotion, subject), names) == naive_order(emotion, subject, names)


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_clips_or_subjects(table, random):
    emotion, subject, names = table
    order = fold_order(labels(emotion, subject), names)
    rows = list(zip(emotion, subject, strict=True))
    random.shuffle(rows)
    renumber = list(range(len(names)))
    random.shuffle(renumber)
    shuffled = [names[renumber.index(k)] for k in range(len(names))]
    moved = labels([c for c, _ in rows], [renumber[k] for _, k in rows])
    assert fold_order(moved, shuffled) == order


def test_the_first_subject_covers_most_and_equal_ones_go_by_size_then_hash():
    emotion = [0, 1, 2, 0, 0, 0, 1, 2]
    subject = [0, 0, 0, 1, 1, 2, 3, 3]
    names = ["casme2/a", "casme2/b", "casme2/c", "casme2/d"]
    assert fold_order(labels(emotion, subject), names)[0] == "casme2/a"
    twins = ["casme2/x", "casme2/y", "casme2/z"]
    expected = tuple(sorted(twins, key=lambda name: hashlib.sha256(name.encode()).hexdigest()))
    assert fold_order(labels([0, 0, 0], [0, 1, 2]), twins) == expected


@given(tables())
def test_a_fold_trains_on_all_others_and_tests_its_subject(table):
    emotion, subject, names = table
    if len(set(subject)) < 2:
        return
    made = folds(dataset(clips(emotion, subject, names)))
    assert tuple(fold.subject for fold in made) == fold_order(labels(emotion, subject), names)
    for fold in made:
        k = names.index(fold.subject)
        assert fold.test.tolist() == [i for i, s in enumerate(subject) if s == k]
        assert fold.train.tolist() == [i for i, s in enumerate(subject) if s != k]
        assert fold.macro.tolist() == []
        assert fold.train.dtype == fold.test.dtype == fold.macro.dtype == np.int64
    assert sorted(np.concatenate([fold.test for fold in made]).tolist()) == list(range(len(subject)))


def test_all_macro_clips_of_other_people_are_used():
    micro = clips([0, 1, 2], [0, 1, 1], ["casme2/01", "casme2/02"])
    macro = clips([0, 0], [0, 1], ["ckplus/S005", "ckplus/S010"])
    assert [fold.macro.tolist() for fold in folds(dataset(micro, macro))] == [[0, 1], [0, 1]]


def test_macro_clips_of_the_held_out_person_are_left_out():
    micro = clips([0, 1, 2], [0, 1, 1], ["mmew/S01", "mmew/S02"])
    macro = clips([0, 0, 1], [1, 0, 1], ["mmew/S02", "mmew/S01"])
    made = {fold.subject: fold.macro.tolist() for fold in folds(dataset(micro, macro))}
    assert made == {"mmew/S01": [1], "mmew/S02": [0, 2]}


def test_one_subject_is_an_error():
    with pytest.raises(DataError, match=r"at least two subjects(?s:.*)1 subject: casme2/01"):
        folds(dataset(clips([0, 1], [0, 0], ["casme2/01", "casme2/02"])))


PEOPLE = People(("a", "a", "b"), ("a", "c"))


def fold(train, test, macro=(), people=PEOPLE) -> Fold:
    return Fold("a", *(np.array(positions, np.int64) for positions in (train, test, macro)), people)


def test_a_fold_that_trains_on_its_subject_cannot_be_made():
    fold([2], [0, 1], [1])
    with pytest.raises(DataError, match="never trains on a clip of its own subject"):
        fold([1, 2], [0])
    with pytest.raises(DataError, match="never trains on a clip of its own subject"):
        fold([2], [0, 1], [0, 1])


@pytest.mark.parametrize(("train", "test"), [([2], [0]), ([], [0, 1]), ([], [0, 1, 2]), ([2, 2], [0, 1])])
def test_a_fold_tests_all_of_its_subject_and_trains_on_all_others(train, test):
    with pytest.raises(DataError, match="tests all clips of its subject, and trains on all others"):
        fold(train, test)


def test_the_positions_of_a_fold_are_copies_and_read_only():
    train = np.array([2])
    made = Fold("a", train, np.array([0, 1]), np.array([1]), PEOPLE)
    train[0] = 0
    assert made.train.tolist() == [2]
    for positions in (made.train, made.test, made.macro):
        with pytest.raises(ValueError, match="read-only"):
            positions[0] = 1


def test_a_fold_survives_pickling():
    made = fold([2], [0, 1], [1])
    copy = pickle.loads(pickle.dumps(made))
    assert (copy.subject, copy.train.tolist(), copy.test.tolist(), copy.macro.tolist()) == (
        "a",
        [2],
        [0, 1],
        [1],
    )

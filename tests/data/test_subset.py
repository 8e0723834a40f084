"""Leaving people out of a data set, and holding several out as one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mersearch.data.clips import Clips, DataSet
from mersearch.data.folds import folds
from mersearch.data.subset import merged, without
from mersearch.errors import DataError
from mersearch.testing.clips import small_dataset

GONE = ("micro/01", "micro/03")


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    """Micro clips of five people, and macro clips of people of whom two are among them."""
    data = small_dataset(macro=True)
    assert data.macro is not None
    names = tuple(name.replace("macro/", "micro/") for name in data.macro.subjects)
    return dataclasses.replace(data, macro=dataclasses.replace(data.macro, subjects=names))


def people(clips: Clips) -> list[str]:
    return [clips.subjects[k] for k in clips.labels.subject]


def rows(clips: Clips, names: tuple[str, ...]) -> list[int]:
    """Clips of other people than these."""
    return [row for row, name in enumerate(people(clips)) if name not in names]


def test_people_are_left_out_with_all_their_clips_and_nothing_else_changes(dataset: DataSet) -> None:
    found = without(dataset, GONE)
    assert dataset.macro is not None
    assert found.macro is not None
    for before, after in ((dataset.micro, found.micro), (dataset.macro, found.macro)):
        kept = rows(before, GONE)
        assert len(kept) < len(before)
        assert after.ids == tuple(before.ids[row] for row in kept)
        assert people(after) == [people(before)[row] for row in kept]
        assert before.rgb is not None
        assert after.rgb is not None
        np.testing.assert_array_equal(after.rgb, before.rgb[kept])
        for name in ("emotion", "action_units", "annotated"):
            np.testing.assert_array_equal(getattr(after.labels, name), getattr(before.labels, name)[kept])
    assert found.shapes.subjects == len(found.micro.subjects) == 3
    assert {fold.subject for fold in folds(found)} == {"micro/00", "micro/02", "micro/04"}
    assert without(dataset, ()) is dataset


def test_people_taken_as_one_are_held_out_together_and_nobody_trains_on_them(dataset: DataSet) -> None:
    found = merged(dataset, GONE, "group")
    (fold,) = [fold for fold in folds(found) if fold.subject == "group"]
    assert found.micro.ids == dataset.micro.ids
    held = {people(dataset.micro)[row] for row in fold.test}
    assert held == set(GONE)
    assert set(fold.train.tolist()) == set(rows(dataset.micro, GONE))
    assert dataset.macro is not None
    assert set(fold.macro.tolist()) == set(rows(dataset.macro, GONE))
    assert found.shapes.subjects == 4


def test_a_name_that_nobody_has_is_refused(dataset: DataSet) -> None:
    for call in (lambda: without(dataset, ("micro/99",)), lambda: merged(dataset, ("micro/99",), "group")):
        with pytest.raises(DataError, match=r"data\.without names subjects of the database") as error:
            call()
        assert error.value.received == "micro/99"

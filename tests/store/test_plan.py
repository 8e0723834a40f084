from __future__ import annotations

import pytest

from mersearch.store import FoldPlan
from tests.runs import a_plan


def test_chunks_cover_the_folds_once_in_order() -> None:
    for subjects in range(1, 9):
        for chunk in range(1, 10):
            plan = a_plan(subjects, chunk)
            done, walked = 0, []
            while step := plan.next_chunk(done):
                walked.append(step)
                done += len(step)
            assert tuple(subject for step in walked for subject in step) == plan.subjects
            assert all(len(step) == chunk for step in walked[:-1])


def test_a_plan_survives_its_plain_form() -> None:
    plan = a_plan(5, 2)
    assert FoldPlan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize("changes", [{"chunk": 0}, {"subjects": []}, {"counts": [[1, 2, 3]]}], ids=str)
def test_a_contradictory_plan_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be positive and counts be"):
        FoldPlan.from_dict({**a_plan().to_dict(), **changes})

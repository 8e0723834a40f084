"""The actor without a cluster: it is a class like any other."""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from mersearch.errors import ChunkTooLarge, ClusterError, DataError, ProcessDied
from mersearch.search.trainable import Lost, TrialActor
from mersearch.search.worker import Report, Worker
from mersearch.store import FoldPlan, FoldRecord, Parameters
from tests.jobs import Job
from tests.runs import a_plan, train

PARAMETERS = {"algorithm.lr": 0.01, "algorithm.head": "linear", "algorithm.mask": True}


def config(trial: int = 0, chunk: int = 0, attempt: int = 0) -> dict[str, Any]:
    return {
        "trial": trial,
        "parameters": PARAMETERS,
        "chunk": chunk,
        "attempt": attempt,
        "room": None,
        "gpus": 0.25,
        "backend": "",
        "over": False,
    }


def an_actor(job: Any, **start: int) -> TrialActor:
    actor = TrialActor.__new__(TrialActor)
    actor.setup(config(**start), payload=job)
    return actor


def reports(actor: TrialActor, count: int) -> list[Report]:
    return [actor.step()["report"] for _ in range(count)]


def test_an_actor_walks_the_frozen_order_in_chunks_from_the_fold_it_is_given() -> None:
    plan = a_plan(subjects=7, chunk=3)
    found = reports(an_actor(Job(plan), chunk=1), 2)
    assert [[fold.subject for fold in report.folds] for report in found] == [
        list(plan.subjects[3:6]),
        [plan.subjects[6]],
    ]
    assert [fold.chunk for report in found for fold in report.folds] == [1, 1, 1, 2]
    assert all(not report.failure for report in found)


def test_an_actor_trains_the_next_trial_without_loading_the_data_again(tmp_path: Path) -> None:
    job = Job(a_plan(), log=tmp_path / "log")
    actor = an_actor(job)
    reports(actor, 2)
    assert actor.reset_config(config(trial=5, chunk=4))
    ((fold,),) = [report.folds for report in reports(actor, 1)]
    assert (fold.trial, fold.subject) == (5, job.plan.subjects[4])
    assert (tmp_path / "log").read_text().count("open") == 1


def test_the_predictions_of_a_trial_do_not_depend_on_what_the_actor_did_before() -> None:
    plan = a_plan()
    actor = an_actor(Job(plan), trial=0)
    reports(actor, 3)
    actor.reset_config(config(trial=1))
    ((fold,),) = [report.folds for report in reports(actor, 1)]
    expected = train(plan, 1, PARAMETERS, plan.subjects[0])
    assert fold.logits.tobytes() == expected.logits.tobytes()


def test_only_the_first_chunk_after_a_loss_counts_as_another_attempt() -> None:
    found = reports(an_actor(Job(a_plan()), chunk=2, attempt=1), 2)
    assert [report.folds[0].attempt for report in found] == [1, 0]


def test_a_divergence_and_a_bug_of_the_algorithm_are_reports_and_no_exceptions() -> None:
    actor = an_actor(Job(a_plan(), faults={0: "diverge", 1: "bug"}))
    (diverged,) = reports(actor, 1)
    assert diverged == Report(failure="losses stay finite: NaN in stage main")
    actor.reset_config(config(trial=1))
    (bug,) = reports(actor, 1)
    assert bug.failure == "KeyError: 'no such layer'"
    assert "in train" in bug.traceback


class Full:
    """A payload whose card has no memory left."""

    plan: FoldPlan = a_plan()
    remark = ""

    def open(self) -> Worker:
        return self

    def start(self, parameters: Parameters, backend: str = "") -> None:
        """Nothing."""

    def train(self, trial: int, subjects: Sequence[str], chunk: int, attempt: int) -> list[FoldRecord]:
        batch = torch.zeros(2)
        self.batch = weakref.ref(batch)
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_card_without_memory_left_is_told_from_other_exceptions() -> None:
    (report,) = reports(an_actor(Full()), 1)
    assert report.exhausted
    assert report.failure == "OutOfMemoryError: CUDA out of memory"
    (bug,) = reports(an_actor(Job(a_plan(), faults={0: "bug"})), 1)
    assert not bug.exhausted


@dataclass(frozen=True)
class Late(Job):
    """A payload whose card has no memory for the clips at first."""

    tries: list[int] = field(default_factory=list)

    def open(self) -> Worker:
        self.tries.append(1)
        if len(self.tries) < 3:
            raise ChunkTooLarge("the clips must fit into the memory of the card", received="9 clips", fix="-")
        return super().open()


def test_a_worker_whose_card_is_full_when_it_starts_says_so_and_opens_again_with_the_next_piece() -> None:
    actor = an_actor(Late(a_plan()))
    first, then = (*reports(actor, 1), *reports(actor, 1))
    assert first.exhausted
    assert isinstance(first.unusable, ChunkTooLarge)
    assert first.failure.startswith("the clips must fit into the memory of the card: ")
    assert then.folds
    assert not then.failure


def test_the_memory_of_a_card_is_given_back_when_nobody_holds_the_batch_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full, held = Full(), list[bool]()
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: held.append(full.batch() is not None))
    reports(an_actor(full), 1)
    assert held == [False]


class Halved(Full):
    """A payload one of whose processes is killed."""

    def train(self, trial: int, subjects: Sequence[str], chunk: int, attempt: int) -> list[FoldRecord]:
        raise ProcessDied("a process must live", received="ended by signal SIGKILL", fix="less at once")


def test_a_process_that_died_takes_its_worker_with_it_and_fails_no_trial() -> None:
    with pytest.raises(Lost, match=r"^a process must live: ended by signal SIGKILL \(less at once\)$"):
        an_actor(Halved()).step()


def test_folds_say_which_share_of_a_card_they_held() -> None:
    actor = an_actor(Job(a_plan()))
    for gpus in (0.25, 0.5):
        actor.reset_config(config() | {"gpus": gpus})
        assert [report.folds[0].gpus for report in reports(actor, 2)] == [gpus, gpus]


class Crowded(Full):
    """A payload whose chunks fit into no card as one program, but fold by fold."""

    def start(self, parameters: Parameters, backend: str = "") -> None:
        self.backend = backend

    def train(self, trial: int, subjects: Sequence[str], chunk: int, attempt: int) -> list[FoldRecord]:
        if self.backend == "loop":
            return [train(self.plan, trial, PARAMETERS, subject, attempt) for subject in subjects]
        raise ChunkTooLarge("the folds of a chunk must fit", received="CUDA out of memory")


def test_a_chunk_that_is_too_large_as_one_program_is_a_lack_of_memory_and_may_be_trained_in_another_way() -> (
    None
):
    actor = an_actor(Crowded())
    (report,) = reports(actor, 1)
    assert report.exhausted
    assert "ChunkTooLarge" in report.traceback
    actor.reset_config(config() | {"backend": "loop"})
    (report,) = reports(actor, 1)
    assert [fold.subject for fold in report.folds] == [Crowded.plan.subjects[0]]


def test_every_chunk_carries_the_remark_of_its_worker() -> None:
    found = reports(an_actor(Job(a_plan(), remark="another processor")), 2)
    assert [report.remark for report in found] == ["another processor"] * 2


def test_no_result_says_done_not_even_the_last_one() -> None:
    plan = a_plan(subjects=2)
    assert [set(step) for step in (lambda actor: [actor.step(), actor.step()])(an_actor(Job(plan)))] == [
        {"report"},
        {"report"},
    ]


class Broken:
    plan: FoldPlan = a_plan()

    def open(self) -> Worker:
        raise OSError("no such device")


def test_data_that_cannot_be_loaded_are_said_with_their_own_error() -> None:
    (report,) = reports(an_actor(Job(a_plan(), unreadable=True)), 1)
    assert isinstance(report.unusable, DataError)
    (report,) = reports(an_actor(Broken()), 1)
    assert isinstance(report.unusable, ClusterError)
    assert "OSError: no such device" in str(report.unusable)


@pytest.mark.parametrize("report", [Report(failure="x"), Report(unusable=DataError("rule", received="r"))])
def test_a_report_survives_the_way_to_the_driver(report: Report) -> None:
    back = pickle.loads(pickle.dumps(report))
    assert (back.failure, str(back.unusable)) == (report.failure, str(report.unusable))

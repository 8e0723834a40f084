"""Folds of one configuration that are trained in the process of the command itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mersearch.errors import Interrupted, ProcessDied
from mersearch.evaluation import _train
from mersearch.search.policy import NoStopping
from mersearch.store import FoldRecord, Parameters, RunDirectory
from tests.jobs import Job, Notebook
from tests.runs import a_run, a_session


@dataclass(frozen=True)
class Raising(Job):
    """Every chunk raises `error` once, or always; one configuration, whatever it is told."""

    error: Exception | None = None
    always: bool = False
    mode: Any = field(default_factory=lambda: {"backend": "loop", "device": "cpu"})

    def open(self) -> Any:
        worker = super().open()
        worker.parameters = {"algorithm.lr": 0.01, "algorithm.head": "mlp"}
        train = worker.train

        def raising(trial: int, subjects: Sequence[str], chunk: int, attempt: int) -> list[FoldRecord]:
            if self.error is not None and (self.always or attempt == 0):
                raise self.error
            return train(trial, subjects, chunk, attempt)

        def start(_: Parameters, backend: str = "") -> None:
            worker.backend = backend

        worker.start = start  # type: ignore[method-assign]
        worker.train = raising  # type: ignore[method-assign]
        return worker


def trained(
    run: RunDirectory, job: Raising, retries: int = 1, *, begun: bool = False
) -> tuple[bool, Notebook]:
    """Train the only trial of a run; whether a chunk was finished, and what was said."""
    trial = SimpleNamespace(retries=retries, cpus=1, gpus=0)
    config: Any = SimpleNamespace(trial=trial, search=SimpleNamespace(concurrency=1))
    opened: Any = SimpleNamespace(run=run, config=config, study=job)
    notes = Notebook()
    with a_session(run, trials=1, policy=NoStopping()) as session:
        proposal = session.next_trial()
        assert proposal is not None
        return _train(opened, session, proposal.trial, notes, begun=begun), notes


def test_every_chunk_has_its_own_retries_and_only_its_first_one_may_have_been_begun_before(
    tmp_path: Path,
) -> None:
    run = a_run(tmp_path / "run")
    finished, notes = trained(run, Raising(run.plan, error=OSError("gone")))
    assert finished
    assert run.read().trials[0].state == "complete"
    assert [fold.attempt for fold in run.read().folds(0)] == [1] * 6
    assert notes.notices == ["trial 0: OSError: gone; tried again (1 of 1)"] * 6
    assert "OSError: gone" in (run.path / "failures" / "00000.txt").read_text()
    other = a_run(tmp_path / "other")
    trained(other, Raising(other.plan), begun=True)
    assert [fold.attempt for fold in other.read().folds(0)] == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("error", "retries", "said"),
    [(OSError("gone"), 2, 2), (OSError("gone"), 0, 0), (torch.OutOfMemoryError("CUDA out of memory"), 2, 0)],
)
def test_a_chunk_that_raises_once_too_often_fails_the_trial_and_a_whole_card_too_small_at_once(
    tmp_path: Path, error: Exception, retries: int, said: int
) -> None:
    run = a_run(tmp_path / "run")
    finished, notes = trained(run, Raising(run.plan, error=error, always=True), retries)
    assert (finished, len(notes.notices)) == (False, said)
    assert run.read().trials[0].why == f"{type(error).__name__}: {error}"


def test_a_configuration_that_a_card_is_too_small_for_starts_again_in_a_smaller_mode(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    crowded = Raising(run.plan, {0: "crowd"}, mode={"backend": "fused", "device": "cuda"})
    finished, notes = trained(run, crowded)
    trial = run.read().trials[0]
    assert (finished, trial.state, trial.backend) == (True, "complete", "loop")
    assert [fold.attempt for fold in run.read().folds(0)] == [1, 1, 0, 0, 0, 0]
    assert {fold.gpus for fold in (*trial.folds.values(), *trial.discarded)} == {1.0}
    assert notes.notices == [
        "trial 0: OutOfMemoryError: CUDA out of memory; it starts again with folds.backend=loop"
    ]


def test_what_is_not_finite_is_not_tried_again(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    _, notes = trained(run, Raising(run.plan, {0: "diverge"}))
    assert (run.read().trials[0].state, notes.notices) == ("failed", [])


def test_a_process_that_died_interrupts_the_evaluation_and_spends_nothing(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    died = ProcessDied("processes must live", received="SIGTERM", fix="less")
    with pytest.raises(Interrupted, match=r"SIGTERM\n.*less; go on with: mersearch resume") as caught:
        trained(run, Raising(run.plan, error=died))
    assert caught.value.exit_code == 3
    assert run.read().trials[0].state == "running"
    trained(run, Raising(run.plan), begun=True)
    assert run.read().trials[0].state == "complete"

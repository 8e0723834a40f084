from __future__ import annotations

import dataclasses
import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mersearch.errors import ClusterError, DataError, Interrupted, Stopped
from mersearch.search.bridge import Bridge, Leave
from mersearch.search.engine import _signals, run_search
from mersearch.search.events import Events
from mersearch.search.policy import NoStopping
from mersearch.search.ray_cluster import Cluster
from mersearch.search.scheduler import SessionScheduler
from mersearch.search.searcher import SessionSearcher
from mersearch.search.session import Session
from mersearch.search.slots import Slots
from mersearch.search.worker import Report
from mersearch.store import RunDirectory
from tests.jobs import Job, Notebook
from tests.runs import SPACE, a_run, a_session, facts, train


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return a_run(tmp_path / "run")


@pytest.fixture
def session(run: RunDirectory) -> Iterator[Session]:
    with a_session(run) as session:
        yield session


@pytest.fixture
def notes() -> Notebook:
    return Notebook()


@pytest.fixture
def bridge(run: RunDirectory, session: Session, notes: Notebook) -> Iterator[Bridge]:
    events = Events(run.path, "uf1")
    yield Bridge(session, run.path, events, notes, lambda: "")
    events.close()


def chunk(run: RunDirectory, bridge: Bridge) -> Report:
    piece = bridge.next_piece()
    assert piece is not None
    return Report((train(run.plan, piece.trial, piece.parameters, run.plan.subjects[0]),))


def test_every_event_is_shown_with_the_progress_it_led_to(
    run: RunDirectory, bridge: Bridge, notes: Notebook
) -> None:
    report = chunk(run, bridge)
    assert bridge.report(0, 0, report)
    assert not bridge.report(0, 0, Report(failure="it diverged"))
    assert [[(t.state, t.folds) for t in seen.trials] for seen in notes.seen] == [
        [("running", 0)],
        [("running", 1)],
        [("failed", 1)],
    ]


def test_the_traceback_of_a_bug_is_kept_in_the_run(run: RunDirectory, bridge: Bridge) -> None:
    chunk(run, bridge)
    bridge.report(0, 0, Report(failure="KeyError: 'x'", traceback="Traceback …\nKeyError: 'x'\n"))
    assert run.read().trials[0].why == "KeyError: 'x'"
    assert (run.path / "failures" / "00000.txt").read_text() == "Traceback …\nKeyError: 'x'\n"


def test_a_chunk_whose_code_raises_is_tried_again_as_often_as_was_said_and_then_fails_the_trial(
    run: RunDirectory, session: Session, notes: Notebook
) -> None:
    bridge = Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: "", retries=2)
    chunk(run, bridge)
    attempts = []
    for turn in range(3):
        report = Report(failure=f"OSError: {turn}", traceback=f"Traceback {turn}")
        assert not bridge.report(0, 0, report), "the slot is free for another piece"
        assert (run.path / "failures" / "00000.txt").read_text() == f"Traceback {turn}"
        piece = bridge.next_piece()
        assert piece is not None
        attempts.append((piece.trial, piece.chunk, piece.attempt))
    assert attempts == [(0, 0, 1), (0, 0, 2), (1, 0, 0)]
    assert notes.notices == [f"trial 0: OSError: {turn}; tried again ({turn + 1} of 2)" for turn in range(2)]
    assert (run.read().trials[0].state, run.read().trials[0].why) == ("failed", "OSError: 2")


def test_a_trial_that_exhausts_a_shared_card_goes_on_with_more_of_it_and_fails_only_where_it_had_one_alone(
    run: RunDirectory, session: Session, notes: Notebook
) -> None:
    bridge = Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: "", gpus=0.25)
    chunk(run, bridge)
    full = Report(failure="OutOfMemoryError: CUDA", traceback="Traceback", exhausted=True)
    rooms = []
    for _ in range(3):
        rooms.append(bridge.room(0))
        assert not bridge.report(0, 0, full, bridge.room(0))
        bridge.next_piece()
    assert rooms == [None, 0.5, 1.0]
    assert notes.notices == [
        "trial 0: the memory of the card is not enough for 4 trials; it goes on with trial.gpus=0.5",
        "trial 0: the memory of the card is not enough for 2 trials; it goes on with trial.gpus=1",
    ]
    assert bridge.room(1) is None
    failed = run.read().trials[0]
    assert failed.state == "failed"
    assert "the memory of a whole card is not enough" in failed.why


def test_clips_that_a_share_of_a_card_is_too_small_for_enlarge_it_and_on_a_whole_card_end_the_search_unfailed(
    run: RunDirectory, notes: Notebook
) -> None:
    reason = ClusterError("the clips must fit into the memory of the card")
    full = Report(failure="too large", traceback="Traceback", unusable=reason, exhausted=True)
    with a_session(run, trials=1, policy=NoStopping()) as session:
        bridge = Bridge(
            session, run.path, Events(run.path, "uf1"), notes, lambda: "", gpus=0.5, backend="fused"
        )
        assert not bridge.report(0, suggested(bridge)["chunk"], full)
        assert bridge.room(0) == 1.0
        with pytest.raises(Leave) as caught:
            bridge.report(0, suggested(bridge)["chunk"], full, 1.0)
        assert caught.value.error is reason
        assert session.state.trials[0].state == "running", "another start may find the card free"


def test_pieces_of_a_trial_that_exhaust_a_shared_card_at_once_enlarge_its_share_once(
    run: RunDirectory, notes: Notebook
) -> None:
    full = Report(failure="OutOfMemoryError: CUDA", traceback="Traceback", exhausted=True)
    with a_session(run, trials=1, policy=NoStopping()) as session:
        bridge = Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: "", gpus=0.25)
        scheduler = SessionScheduler(bridge)
        for room in (0.5, 1.0):
            begun = [suggested(bridge) for _ in range(4)]
            for config in begun:
                assert (
                    scheduler.on_trial_result(None, SimpleNamespace(config=config), {"report": full})
                    == "STOP"
                )
            assert bridge.room(0) == room
        assert len(notes.notices) == 2
        assert session.state.trials[0].state == "running", "nobody has tried a whole card"
        alone = suggested(bridge)
        assert (alone["room"], alone["attempt"]) == (1.0, 2)
        scheduler.on_trial_result(None, SimpleNamespace(config=alone), {"report": full})
        assert session.state.trials[0].state == "failed"


def test_a_trial_that_a_whole_card_is_too_small_for_starts_again_in_a_smaller_mode_and_fails_where_none_is_left(
    run: RunDirectory, notes: Notebook
) -> None:
    full = Report(failure="CUDA out of memory", traceback="Traceback", exhausted=True)
    with a_session(run, trials=1, policy=NoStopping()) as session:
        events = Events(run.path, "uf1")
        bridge = Bridge(session, run.path, events, notes, lambda: "", gpus=1, backend="fused")
        scheduler = SessionScheduler(bridge)

        def ended(config: dict[str, Any], report: Report) -> str:
            return scheduler.on_trial_result(None, SimpleNamespace(config=config), {"report": report})

        def trained(config: dict[str, Any]) -> Report:
            subject = run.plan.subjects[config["chunk"]]
            return Report((train(run.plan, 0, config["parameters"], subject, config["attempt"]),))

        first, second, third = (suggested(bridge) for _ in range(3))
        assert ended(first, trained(first)) == "CONTINUE"
        assert session.state.trials[0].done == 1
        assert ended(second, full) == "STOP"
        assert notes.notices == [
            "trial 0: the memory of a whole card is not enough for folds.backend=fused; it starts again with "
            "folds.backend=loop"
        ]
        assert (session.state.trials[0].done, session.state.trials[0].state) == (0, "running")
        assert ended(first, trained(first)) == ended(third, full) == "STOP", (
            "what began before does not count"
        )
        assert (session.state.trials[0].folds, len(notes.notices)) == ({}, 1)
        again = suggested(bridge)
        assert [again[name] for name in ("chunk", "attempt", "backend")] == [0, 1, "loop"]
        while ended(again, trained(again)) == "CONTINUE":
            pass
        assert session.state.trials[0].state == "complete"
        (restart,) = run.read().trials[0].restarts
        assert (restart.backend, restart.why) == ("loop", "CUDA out of memory")
        assert facts(run.read()) == facts(session.state)
        events.close()


def test_a_trial_that_fits_into_no_card_fails_with_what_would_help(
    run: RunDirectory, notes: Notebook
) -> None:
    full = Report(failure="CUDA out of memory", traceback="Traceback", exhausted=True)
    with a_session(run, trials=1, policy=NoStopping()) as session:
        bridge = Bridge(
            session, run.path, Events(run.path, "uf1"), notes, lambda: "", gpus=1, backend="fused"
        )
        for backend in ("", "loop"):
            piece = suggested(bridge)
            assert piece["backend"] == backend
            bridge.report(0, piece["chunk"], full, piece["room"], backend)
        assert session.state.trials[0].state == "failed"
        assert "the memory of a whole card is not enough" in session.state.trials[0].why
        assert len(notes.notices) == 1


def suggested(bridge: Bridge) -> dict[str, Any]:
    config = SessionSearcher(bridge).suggest("")
    assert isinstance(config, dict)
    return config


def test_a_lost_worker_and_the_end_of_another_driver_leave_a_chunk_its_retries(
    run: RunDirectory, session: Session, notes: Notebook
) -> None:
    chunk(run, Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: ""))
    session = Session(
        session._writer, space=SPACE, trials=1, metric="uf1", policy=NoStopping(), seed=7, startup=4
    )
    bridge = Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: "", retries=1)
    piece = bridge.next_piece()
    assert piece is not None
    assert (piece.trial, piece.attempt) == (0, 1)
    assert bridge.lost(0, 0, "pre-empted") == 2
    assert not bridge.report(0, 0, Report(failure="OSError: 0", traceback="Traceback"))
    piece = bridge.next_piece()
    assert piece is not None, "the exception was the first one"
    assert (piece.trial, piece.chunk, piece.attempt) == (0, 0, 3)
    assert notes.notices[-1] == "trial 0: OSError: 0; tried again (1 of 1)"
    bridge.report(0, 0, Report(failure="OSError: 1", traceback="Traceback"))
    assert run.read().trials[0].state == "failed"


def test_what_would_only_happen_again_is_not_tried_again(
    run: RunDirectory, session: Session, notes: Notebook
) -> None:
    bridge = Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: "", retries=2)
    chunk(run, bridge)
    bridge.report(0, 0, Report(failure="losses stay finite: NaN"))
    assert run.read().trials[0].state == "failed"


def test_a_worker_that_cannot_work_ends_the_search_and_fails_no_trial(
    run: RunDirectory, bridge: Bridge
) -> None:
    chunk(run, bridge)
    error = DataError("data can be read", received="/nowhere")
    with pytest.raises(Leave) as caught:
        bridge.report(0, 0, Report(unusable=error))
    assert caught.value.error is error
    assert run.read().trials[0].state == "running"


def test_a_trial_that_kills_its_workers_fails_where_other_chunks_were_finished_before(
    run: RunDirectory, bridge: Bridge
) -> None:
    bridge.report(0, 0, chunk(run, bridge))
    bridge.crashed(0, 0, "killed, out of memory or crashed")
    assert run.read().trials[0].state == "failed"
    assert "worker after worker died: killed" in run.read().trials[0].why


def test_workers_that_die_before_any_chunk_is_finished_end_the_search(
    run: RunDirectory, bridge: Bridge
) -> None:
    chunk(run, bridge)
    with pytest.raises(Leave) as caught:
        bridge.crashed(0, 0, "ModuleNotFoundError: no module named 'mine'")
    assert isinstance(caught.value.error, ClusterError)
    assert "no module named 'mine'" in str(caught.value.error)
    assert run.read().trials[0].state == "running"


def test_an_adopted_trial_that_kills_its_workers_fails_too(
    run: RunDirectory, bridge: Bridge, session: Session, notes: Notebook
) -> None:
    bridge.report(0, 0, chunk(run, bridge))
    resumed = Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: "")
    resumed.crashed(0, 0, "killed, out of memory or crashed")
    assert run.read().trials[0].state == "failed"


def test_a_remark_of_a_worker_is_shown_once_per_node(
    run: RunDirectory, bridge: Bridge, notes: Notebook
) -> None:
    piece = bridge.next_piece()
    assert piece is not None
    for subject, node, remark in zip(
        run.plan.subjects, "aabbc", ("other cpu", "other cpu", "", "more threads", ""), strict=False
    ):
        fold = dataclasses.replace(train(run.plan, 0, piece.parameters, subject), node=node)
        bridge.report(0, run.plan.subjects.index(subject), Report((fold,), remark=remark))
    assert notes.notices == ["a: other cpu", "b: more threads"]


def test_an_error_of_the_session_leaves_as_itself_past_every_except_of_tune(
    run: RunDirectory, bridge: Bridge, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Interrupted("disk full", received=os.strerror(errno.ENOSPC))

    def refuse(*_: Any) -> bool:
        raise full

    report = chunk(run, bridge)
    monkeypatch.setattr(session, "report", refuse)
    with pytest.raises(Leave) as caught:
        bridge.report(0, 0, report)
    assert caught.value.error is full
    assert not isinstance(caught.value, Exception)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_leaves_at_the_next_tick_and_the_handlers_come_back(
    run: RunDirectory, session: Session, notes: Notebook, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    with _signals() as arrived:
        bridge = Bridge(session, run.path, Events(run.path, "uf1"), notes, lambda: "".join(arrived))
        bridge.tick()
        signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_DFL, "the second one ends the process"
        with pytest.raises(Leave) as caught:
            bridge.tick()
    assert isinstance(caught.value.error, Stopped)
    assert caught.value.error.received == number.name
    assert signal.getsignal(number) == before


def test_a_trial_that_would_wait_for_ever_is_refused(
    run: RunDirectory, session: Session, notes: Notebook, tmp_path: Path
) -> None:
    small = Cluster("192.0.2.1:6379", tmp_path, True, cpus=2, gpus=0)
    with pytest.raises(ClusterError, match="a trial asks for 4 CPU and 0 GPU of 2 and 0"):
        run_search(session, Job(run.plan), small, Slots(1, 4, 0), run=run.path, metric="uf1", watcher=notes)


def test_the_curve_of_a_trial_is_a_tensorboard_file_in_the_folder_of_the_trial(
    run: RunDirectory, session: Session, bridge: Bridge
) -> None:
    report = chunk(run, bridge)
    bridge.report(0, 0, report)
    bridge.fail(0, "enough")
    (file,) = (run.path / "events").rglob("events.out*")
    assert file.parent.name == "trial-00000"
    assert b"uf1_over_folds" in file.read_bytes()


def test_a_curve_that_cannot_be_written_ends_the_search_with_its_reason(
    run: RunDirectory, session: Session, bridge: Bridge
) -> None:
    (run.path / "events").write_text("in the way")
    report = chunk(run, bridge)
    with pytest.raises(Leave) as caught:
        bridge.report(0, 0, report)
    assert "events of the run must be writable" in str(caught.value.error)
    assert run.read().trials[0].done == 1

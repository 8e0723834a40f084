from __future__ import annotations

import random
from pathlib import Path

import pytest

from mersearch.search.pieces import Piece, Pieces
from mersearch.search.policy import NoStopping, Policy
from mersearch.search.session import Session
from mersearch.store import RunDirectory
from tests.runs import a_plan, a_run, a_session, an_asha, execute, facts, train


def subjects(session: Session, piece: Piece) -> tuple[str, ...]:
    return session.plan.next_chunk(piece.chunk * session.plan.chunk)


def trained(session: Session, pieces: Pieces, piece: Piece) -> Piece | None:
    """One chunk of a slot's piece; what the slot does next."""
    folds = [
        train(session.plan, piece.trial, piece.parameters, subject) for subject in subjects(session, piece)
    ]
    session.report(piece.trial, folds)
    if pieces.advance(piece.trial, piece.chunk):
        return Piece(piece.number, piece.trial, piece.parameters, piece.chunk + 1, 0)
    return pieces.next()


def spread(run: RunDirectory, slots: int, rng: random.Random, policy: Policy, **more: int) -> list[int]:
    """Run a search on slots that finish in any order; how many were busy before each chunk was finished."""
    busy: list[int] = []
    with a_session(run, policy=policy, **more) as session:
        pieces = Pieces(session)
        working = [piece for _ in range(slots) if (piece := pieces.next())]
        while working:
            busy.append(len(working))
            assert len({(piece.trial, piece.chunk) for piece in working}) == len(working)
            for piece in working:
                assert piece.chunk * session.plan.chunk < session.horizon(piece.trial), (
                    "behind the next verdict"
                )
            following = trained(session, pieces, working.pop(rng.randrange(len(working))))
            working += [following] if following else []
            while len(working) < slots and (piece := pieces.next()):
                working.append(piece)
        assert not pieces.open
    return busy


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("slots", "chunk"), [(1, 1), (3, 1), (5, 2), (40, 1)])
def test_whatever_the_slots_and_their_order_every_fold_of_every_trial_is_trained_once_with_the_same_result(
    tmp_path: Path, slots: int, chunk: int, seed: int
) -> None:
    plan = a_plan(subjects=7, chunk=chunk)
    plain, run = a_run(tmp_path / "plain", plan), a_run(tmp_path / "spread", plan)
    execute(plain, trials=4, policy=NoStopping(), sampler="random")
    spread(run, slots, random.Random(seed), NoStopping(), trials=4, sampler="random")
    assert facts(run.read()) == facts(plain.read())
    assert run.read().duplicates == 0


def test_one_trial_alone_occupies_every_slot_until_fewer_chunks_than_slots_are_left(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", a_plan(subjects=20))
    busy = spread(run, 4, random.Random(1), NoStopping(), trials=1)
    assert busy == [4] * 17 + [3, 2, 1]


@pytest.mark.parametrize("seed", range(3))
def test_with_a_rule_that_stops_nothing_is_trained_behind_the_next_verdict(tmp_path: Path, seed: int) -> None:
    run = a_run(tmp_path / "run", a_plan(subjects=12))
    spread(run, 6, random.Random(seed), an_asha(rungs=(0.25, 0.5)), trials=6)
    state = run.read()
    assert not state.missing()
    stopped = state.in_state("stopped")
    assert stopped
    assert all(len(trial.folds) in (3, 6) for trial in stopped)


def test_slots_that_share_a_trial_walk_through_its_halves(tmp_path: Path) -> None:
    with a_session(a_run(tmp_path / "run", a_plan(subjects=8)), trials=1, policy=NoStopping()) as session:
        pieces = Pieces(session)
        found = [pieces.next() for _ in range(4)]
        assert [piece.chunk for piece in found if piece] == [0, 4, 2, 6]


def test_a_trial_that_was_interrupted_goes_on_with_what_is_missing_in_its_middle(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", a_plan(subjects=6))
    with a_session(run, trials=1, policy=NoStopping()) as session:
        pieces = Pieces(session)
        first, second = pieces.next(), pieces.next()
        assert first is not None
        assert second is not None
        trained(session, pieces, second)
    assert [trial.done for trial in run.read().trials.values()] == [0], (
        "the middle is there, the start is not"
    )
    with a_session(run, trials=1, policy=NoStopping()) as session:
        pieces = Pieces(session)
        piece = pieces.next()
        chunks, attempts = [], []
        while piece is not None:
            chunks.append(piece.chunk)
            attempts.append(piece.attempt)
            piece = trained(session, pieces, piece)
    assert chunks == [0, 1, 2, 4, 5]
    assert attempts[0] == 1, "it may have been in work when the driver ended"
    assert run.read().duplicates == 0
    assert not run.read().missing()


def test_a_trial_that_is_only_handed_over_has_no_chunk_that_was_begun_before(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run")
    with a_session(run, trials=1) as session:
        Pieces(session).next()
    with a_session(run, trials=1) as session:
        piece = Pieces(session, begun=False).next()
        assert piece is not None
        assert (piece.trial, piece.chunk, piece.attempt) == (0, 0, 0)


def test_a_chunk_that_is_given_up_goes_to_the_next_free_slot_before_any_new_trial(tmp_path: Path) -> None:
    with a_session(a_run(tmp_path / "run"), trials=3, policy=NoStopping()) as session:
        pieces = Pieces(session)
        first = pieces.next()
        assert first is not None
        pieces.again(first.trial, first.chunk)
        pieces.release(first.trial, first.chunk)
        again = pieces.next()
        assert again is not None
        assert (again.trial, again.chunk, again.attempt) == (first.trial, first.chunk, 1)

"""Ctrl-C at a bad moment waits for a better one."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from mersearch.data.processes import deaf
from mersearch.interrupts import interrupt_deferred, interrupt_kept


def test_an_interrupt_that_is_deferred_comes_at_the_end_and_the_second_one_at_once() -> None:
    done = []

    def twice() -> None:
        with interrupt_deferred():
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")
            signal.raise_signal(signal.SIGINT)
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_while_a_process_starts_an_interrupt_waits_whichever_thread_takes_it() -> None:
    reached, over = [], threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()

    def start() -> None:
        with deaf():
            assert other.ident is not None
            signal.pthread_kill(other.ident, signal.SIGINT)
            while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
                pass
            reached.append("the end")

    try:
        with pytest.raises(KeyboardInterrupt):
            start()
    finally:
        over.set()
        other.join()
    assert reached == ["the end"]


class Closing:
    """Ctrl-C arrives while it is finalised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_arrives_while_an_object_is_finalised_comes_again() -> None:
    reached, hook = [], sys.unraisablehook

    def closing() -> None:
        with interrupt_kept():
            Closing()
            reached.append("past the first, which Python dropped")
            threading.Event().wait(20)
            reached.append("never")

    with pytest.raises(KeyboardInterrupt):
        closing()
    assert reached == ["past the first, which Python dropped"]
    assert sys.unraisablehook is hook


def test_what_else_is_lost_while_an_object_is_finalised_is_told_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = []

    class Broken:
        def __del__(self) -> None:
            raise ValueError("not closed")

    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(str(lost.exc_value)))
    with interrupt_kept():
        Broken()
    assert told == ["not closed"]

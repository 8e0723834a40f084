"""Ctrl-C at a bad moment waits for a better one."""

from __future__ import annotations

import signal
import threading

import pytest

from mersearch.data.processes import deaf
from mersearch.interrupts import interrupt_deferred


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

"""Ctrl-C at a bad moment waits for a better one."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from mersearch import cli
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
    reached, hook, began = [], sys.unraisablehook, time.monotonic()

    def closing() -> None:
        with interrupt_kept():
            Closing()
            reached.append("past the first, which Python dropped")
            threading.Event().wait(20)
            reached.append("never")

    with pytest.raises(KeyboardInterrupt):
        closing()
    assert reached == ["past the first, which Python dropped"]
    assert time.monotonic() - began < 10, "what the main thread waits for is not waited for"
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


def test_an_interrupt_while_a_command_tells_that_it_was_stopped_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    def told(error: Any) -> str:
        signal.raise_signal(signal.SIGINT)
        return f"stopped: {error.rule}"

    monkeypatch.setattr("mersearch.doctor.examine", interrupted)
    monkeypatch.setattr("mersearch.console.errors.text", told)
    monkeypatch.setattr(sys, "argv", ["mersearch", "doctor"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 3
    assert capsys.readouterr().err == "stopped: everything finished is kept\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


ENDING = """
import atexit, signal, sys
from mersearch import cli
from mersearch.errors import Stopped

def again():
    signal.raise_signal(signal.SIGINT)

def stopped():
    if "early" in sys.argv:
        atexit.register(again)
    raise Stopped("all is kept", fix="go on")

if "late" in sys.argv:
    atexit.register(again)
cli.app = stopped
cli.script()
"""


@pytest.mark.parametrize("moment", ["early", "late"])
def test_an_interrupt_while_python_ends_leaves_the_exit_code_and_says_no_more(moment: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDING, moment], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (3, "stopped: all is kept; go on\n")

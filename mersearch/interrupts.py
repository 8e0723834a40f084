"""Ctrl-C at a bad moment waits for a better one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

AGAIN: Final = 0.05
"""Seconds after which an interrupt that was lost comes again."""


@contextmanager
def interrupt_kept() -> Iterator[None]:
    """Ctrl-C is not lost where it arrives while an object is finalised, as a file that is closed: it comes again.

    Python tells of exceptions there, and goes on as if there had been none. It comes as a real signal, which wakes a
    main thread that waits.
    """
    before = sys.unraisablehook

    def noted(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        again = threading.Timer(AGAIN, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        again.daemon = True
        again.start()

    sys.unraisablehook = noted
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def interrupt_deferred() -> Iterator[None]:
    """Ctrl-C waits for the end of the context: what is started by halves ends in a crash.

    The second one does not wait. In threads other than the main one nothing changes: no handler runs there;
    nor where Ctrl-C is ignored, as in the background of a script.
    """
    if not _in_charge() or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before, arrived = signal.getsignal(signal.SIGINT), False

    def note(number: int, frame: object) -> None:  # noqa: ARG001
        nonlocal arrived
        arrived = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            raise KeyboardInterrupt


@contextmanager
def handler_restored() -> Iterator[None]:
    """What the context makes of Ctrl-C is taken back at its end."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if _in_charge():
            signal.signal(signal.SIGINT, before)


def ignore_interrupts() -> None:
    """Ctrl-C does nothing from here on: a command that has been stopped says so and ends, see `handler_restored`."""
    if _in_charge():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def over(code: int) -> None:
    """Everything is done and told: Ctrl-C while Python ends only ends it at once, with the same exit code."""

    def leave(number: int, frame: object) -> None:  # noqa: ARG001
        os._exit(code)

    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # Python tells it when it ends
            stream.flush()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, leave)


def _in_charge() -> bool:
    """Whether this thread may set handlers."""
    return threading.current_thread() is threading.main_thread()

"""Ctrl-C at a bad moment waits for a better one."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

AGAIN: Final = 0.05
"""Seconds after which an interrupt that was lost comes again."""


@contextmanager
def interrupt_kept() -> Iterator[None]:
    """Ctrl-C is not lost where it arrives while an object is finalised, as a file that is closed: it comes again.

    Python tells of exceptions there, and goes on as if there had been none.
    """
    before = sys.unraisablehook

    def noted(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        again = threading.Timer(AGAIN, _thread.interrupt_main)
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

    The second one does not wait. In threads other than the main one nothing changes: no handler runs there.
    """
    if threading.current_thread() is not threading.main_thread():
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

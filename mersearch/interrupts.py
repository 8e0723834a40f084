"""Ctrl-C at a bad moment waits for a better one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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

"""Worker processes that do not hear Ctrl-C, and end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait

import cv2

from mersearch.interrupts import interrupt_deferred


@contextmanager
def deaf() -> Iterator[None]:
    """Processes started within never hear Ctrl-C, not even while they import; this one hears it at the end.

    A blocked signal reaches the handler all the same when another thread takes it, so the handler waits too.
    """
    with interrupt_deferred():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin() -> None:
    """Set up a worker: one thread, and gone when the parent is killed."""
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)

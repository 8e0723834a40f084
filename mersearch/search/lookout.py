"""Whether Ray still runs, asked beside the search: a call that waits for a dead Ray would never ask again itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

PERIOD: Final = 1.0
"""Seconds between two looks."""
GRACE: Final = 8.0
"""Seconds that the search has to leave when Ray is gone: Ray itself ends the process 15 to 60 s after that, with exit
code 1."""


class Lookout:
    """A context: looks for Ray in a thread of its own.

    Args:
        lost: name of the part of Ray that has ended, empty while none has.
        late: called in the thread, with that name, where the context lasts for too long after it.
        period, grace: seconds, see `PERIOD` and `GRACE`.
    """

    def __init__(
        self,
        lost: Callable[[], str],
        late: Callable[[str], None],
        *,
        period: float = PERIOD,
        grace: float = GRACE,
    ) -> None:
        self._lost, self._late, self._period, self._grace = lost, late, period, grace
        self._over = threading.Event()
        self._found = ""

    def missing(self) -> str:
        """What was gone at two looks in a row; empty while Ray runs."""
        return self._found

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="mersearch-lookout", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        before, since = "", 0.0
        while not self._over.wait(self._period):
            now = self._lost()
            self._found = now if before else ""
            since = since if before and now else time.monotonic()
            if self._found and time.monotonic() - since > self._grace:
                self._late(self._found)
                return
            before = now

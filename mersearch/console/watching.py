"""Shows a search while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Self, TextIO

from rich.live import Live
from rich.text import Text

from mersearch.console.screen import Screen
from mersearch.console.table import ROWS, dashboard
from mersearch.console.text import events
from mersearch.store import Progress

PERIOD = 0.25
"""Seconds between two pictures when nothing happens."""
STARTING = "starting workers…"
"""Shown until the first trial is handed out."""
AROUND = 9
"""Lines of a terminal that are not trials."""


class Watching:
    """A context: a table that is redrawn in place on a terminal, else one line per event.

    Args:
        name: of the run.
        metric: what is maximised.
        ranked: whether the best trial is told; not of an ablation, which chooses nothing.
        file: instead of standard output.
        since: moment of the clock at which the command began; now by default.
        clock: seconds, for elapsed times.
        now: time of day, for log lines.
    """

    def __init__(
        self,
        name: str,
        metric: str,
        *,
        ranked: bool = True,
        file: TextIO | None = None,
        since: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._name, self._metric, self._ranked, self._clock = name, metric, ranked, clock
        self._screen = Screen(file, now)
        self._live = Live(console=self._screen.rich, auto_refresh=False) if self._screen.live else None
        self._event = self._drawn = clock()
        self._start = self._event if since is None else since
        self._last: Progress | None = None
        self._folds: int | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            self._live.update(Text(STARTING), refresh=True)
        else:
            self._screen.log(STARTING)
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: Progress) -> None:
        """Show what is new at once; on a terminal also the time, every `PERIOD` seconds."""
        if self._live is not None:
            self._draw(self._live, progress)
        elif progress is not self._last:
            for line in events(self._last, progress, self._metric, ranked=self._ranked):
                self._screen.log(line)
        self._last = progress

    def notice(self, text: str) -> None:
        """Lines of its own, above the table."""
        self._screen.tell(text)

    def _draw(self, live: Live, progress: Progress) -> None:
        now = self._clock()
        if self._folds is None:
            self._folds = progress.folds_done
        starting = progress.folds_done == self._folds and not progress.finished
        if progress is not self._last or starting:
            self._event = now
        if progress is self._last and now - self._drawn < PERIOD:
            return
        self._drawn = now
        left = None if progress.remaining is None else max(0.0, progress.remaining - (now - self._event))
        rows = max(1, min(ROWS, self._screen.rich.height - AROUND))
        live.update(
            dashboard(
                progress,
                name=self._name,
                metric=self._metric,
                elapsed=now - self._start,
                left=left,
                rows=rows,
                starting=starting,
                ranked=self._ranked,
            ),
            refresh=True,
        )

"""Progress of what runs in this process: a bar on a terminal, a line per quarter elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mersearch.console.screen import Screen
from mersearch.store import Progress as SearchProgress

Report = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and out of how much; out of 0 where nothing is counted."""


@contextmanager
def preparing(file: TextIO | None = None) -> Iterator[Report]:
    """Shows the progress of one task after another; yields `report(what, done, total)`."""
    screen = Screen(file)
    if not screen.live:
        yield _Quarters(screen)
        return
    columns = (
        TextColumn("{task.description:28}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=screen.rich) as bars:
        yield _Bars(bars)


@contextmanager
def evaluating(folds: int, file: TextIO | None = None) -> Iterator[Evaluating]:
    """Shows the folds of the only trial of a run."""
    with preparing(file) as report:
        report("folds", 0, folds)
        yield Evaluating(report, folds)


class Evaluating:
    """Watches a run of one trial."""

    def __init__(self, report: Report, folds: int) -> None:
        self._report, self._folds = report, folds

    def update(self, progress: SearchProgress) -> None:
        """Show how many folds there are now."""
        self._report("folds", progress.folds_done, self._folds)

    def notice(self, text: str) -> None:
        """Something worth a line of its own."""
        self._report(text, 0, 0)


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if not total:
            self._bars.console.print(f"{what}…")
            return
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)


class _Quarters:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said: dict[str, int] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if not total:
            self._screen.tell(f"{what}…")
            return
        quarter = 4 * done // total
        if quarter > self._said.get(what, -1):
            self._said[what] = quarter
            self._screen.log(f"{what}: {done} of {total}")

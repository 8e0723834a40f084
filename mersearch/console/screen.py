"""Standard output: a terminal that can be redrawn, or a file or pipe that takes lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TextIO

import rich.console


class Screen:
    """Where the console writes.

    Args:
        file: instead of standard output.
        now: time of day, for log lines.
    """

    def __init__(self, file: TextIO | None = None, now: Callable[[], datetime] = datetime.now) -> None:
        self.rich = rich.console.Console(file=file, highlight=False)
        self._now = now

    @property
    def live(self) -> bool:
        """Whether a picture can be redrawn in place."""
        return self.rich.is_terminal and not self.rich.is_dumb_terminal

    def log(self, text: str) -> None:
        """Print a line headed by the time of day."""
        self.rich.print(f"{self._now():%H:%M:%S}  {text}", markup=False, soft_wrap=True)

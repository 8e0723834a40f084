"""Standard output: a terminal that can be redrawn, or a file or pipe that takes lines."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import datetime
from typing import Final, TextIO

import rich.console

from mersearch.console.text import WIDTH

INDENT: Final = " " * len("00:00:00  ")
"""Below the time of day."""


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

    def tell(self, text: str) -> None:
        """As `log`, for prose: in a plain log, lines of at most 80 columns, indented from the second on."""
        if self.live:
            self.log(text)
            return
        room = WIDTH - len(INDENT)
        first, *rest = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        self.log(first)
        for line in rest:
            self.rich.print(f"{INDENT}{line}", markup=False, soft_wrap=True)

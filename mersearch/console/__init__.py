"""What the user sees: a live table on a terminal, plain lines elsewhere, first and last words."""

from mersearch.console.bars import evaluating, preparing
from mersearch.console.table import dashboard
from mersearch.console.text import closing, events, mark_synthetic, opening
from mersearch.console.watching import Watching

__all__ = [
    "Watching",
    "closing",
    "dashboard",
    "evaluating",
    "events",
    "mark_synthetic",
    "opening",
    "preparing",
]

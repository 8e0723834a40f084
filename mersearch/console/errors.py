"""An error as text for a terminal: its rule, what was received and the fix, wrapped with paths kept whole."""

from __future__ import annotations

import re
import shutil
import textwrap

from mersearch.errors import MersearchError, Several, Stopped

WIDEST = 100
"""Columns of a line, on a terminal that is wide enough."""
HANGING = "    "
COMMAND = re.compile(r"mersearch [a-z]+ \S+")
"""What a user may copy stays on one line."""


def text(error: MersearchError, width: int | None = None) -> str:
    """Everything that `error` says; several errors one below the other.

    Args:
        error: what to tell.
        width: columns; those of the terminal, at most `WIDEST`, where not given.
    """
    columns = width or min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
    if isinstance(error, Several):
        return "\n".join(text(single, columns) for single in error.errors)
    if isinstance(error, Stopped):
        by = f" ({error.received})" if error.received else ""
        return "\n".join(_filled(f"stopped{by}:\0{error.rule}; {error.fix}", HANGING, columns))
    parts = (("error", error.rule), ("  received", error.received), ("  fix", error.fix))
    lines = [line for title, said in parts if said for line in _wrapped(title, said, columns)]
    return "\n".join(lines)


def _wrapped(title: str, said: str, width: int) -> list[str]:
    first, *others = said.splitlines()
    lines = _filled(f"{title}:\0{first}", HANGING, width)
    for line in others:
        lines += _filled(line, f"{_indent(line)}  ", width)
    return lines


def _indent(line: str) -> str:
    return " " * (len(line) - len(line.lstrip()))


def _filled(line: str, hanging: str, width: int) -> list[str]:
    glued = COMMAND.sub(lambda found: found[0].replace(" ", "\0"), line.lstrip())
    wrapped = textwrap.wrap(
        glued,
        width,
        initial_indent=_indent(line),
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [part.replace("\0", " ") for part in wrapped]

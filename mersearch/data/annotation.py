"""One clip as an annotation gives it, before any rule is applied, and how a database stores its frames."""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_APEX = frozenset({"", "/", "-", "?"})
"""What coders write where they gave no apex."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated clip, as text without surrounding blanks."""

    clip_id: str
    subject: str
    where: str
    """Where it stands, for messages: `line 14`."""
    emotion: str
    onset: str
    apex: str
    offset: str
    action_units: str = ""


@dataclass(frozen=True, slots=True)
class Film:
    """How a database stores the frames of its clips.

    Attributes:
        database: name of the reader.
        title: name for people.
        fps: frames per second.
        frame: pattern of a file name, with the frame number in a group `number`.
        example: names of frames, for messages.
        trimmed: whether a folder holds the frames of its clip and no others, so that a labelled apex or offset
            beyond them is a fault of the label file, which is repaired; else it is an error.
    """

    database: str
    title: str
    fps: float
    frame: re.Pattern[str]
    example: str
    trimmed: bool = False

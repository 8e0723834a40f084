"""What a reader returns: one record per clip, and what happened to the rows that are not there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["micro", "macro"]
View = Literal["rgb", "flow"]
COMPOSITE = "composite"
"""What stands for several databases together where the name of a reader is asked for."""


def database_of(name: str) -> str:
    """The database that a subject or clip is named after; empty for a name without one."""
    head, slash, _ = name.partition("/")
    return head if slash else ""


@dataclass(frozen=True, slots=True)
class Video:
    """The part of a video file that a clip is."""

    path: Path
    first: int
    """Frames of the file before the clip."""
    length: int
    """Frames of the clip."""


@dataclass(frozen=True, slots=True)
class FlowMaps:
    """Flow that was computed elsewhere: K maps from the onset to K later instants, evenly spread over the clip."""

    files: tuple[Path, ...]
    """A picture or an array of one map each; or one array of all of them."""
    length: int
    """K."""
    apex: int
    """Number of the map that shows the strongest motion, 1…K."""
    side: int
    """The longer side of the first map, in pixels."""
    scale: float | None
    """The u and v that count as the largest; None for 8-bit files, whose range is the scale."""
    strain_scale: float | None
    """The same for strain; None = by `scale`."""
    where: str
    """Where it is named, for messages: `line 7 of clips.csv`."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One annotated clip. `onset`, `apex` and `offset` are positions in `frames` (0-based), not frame numbers."""

    clip_id: str
    """`<database>/<subject>/<clip>`, unique over databases."""
    database: str
    subject: str
    """`<database>/<subject>`, because the same digits occur in several databases. One person bears one name: the
    macro half of MMEW names its people as the micro half does."""
    emotion: str
    """A class of the label set (micro), or the database's own class (macro), lower case."""
    onset: int
    apex: int
    offset: int
    action_units: tuple[int, ...] | None
    """FACS numbers, sorted; None where the database gives none for this clip."""
    fps: float
    frames: tuple[Path, ...]
    """In numeric order, onset…offset included; empty where the clip is a video or only flow."""
    kind: Kind
    video: Video | None = None
    """Where the frames are in a video file."""
    flow: FlowMaps | None = None
    """Flow that need not be computed. Of a clip that has nothing else, onset…offset are 0…K."""

    @property
    def pictured(self) -> bool:
        """Whether there are frames, in files of their own or in a video."""
        return bool(self.frames) or self.video is not None


@dataclass(frozen=True, slots=True)
class Note:
    """A row that was dropped or repaired, with the reason."""

    clip_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Database:
    """A database as read from disk."""

    name: str
    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    """The label set, in the order of the logits."""
    expected: dict[str, int] | None
    """Clips per class that the published label file gives; None where no such table exists."""
    dropped: tuple[Note, ...]
    repaired: tuple[Note, ...]
    rows: int
    """Annotated clips read: rows, sequences, or each of several intervals of a row."""
    label_hash: str
    """SHA-256 of the label file(s)."""
    aligned: bool
    """Whether the frames are face crops already, so that no face is searched for."""
    parts: tuple[Database, ...] = ()
    """Of a composite: the databases that it holds; empty for any other."""

    @property
    def sources(self) -> tuple[Database, ...]:
        """The databases of a composite, or this one."""
        return self.parts or (self,)

    @property
    def views(self) -> tuple[View, ...]:
        """What there is to see of every clip; flow is computed where it is not given."""
        return ("rgb", "flow") if all(clip.pictured for clip in self.clips) else ("flow",)

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects, sorted."""
        return tuple(sorted({clip.subject for clip in self.clips}))

    def counts(self) -> dict[str, int]:
        """Clips per class, every class of the label set included."""
        found = Counter(clip.emotion for clip in self.clips)
        return {name: found[name] for name in self.classes}

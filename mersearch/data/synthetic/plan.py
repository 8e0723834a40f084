"""What is going to be written: a plan per clip, drawn before anything is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mersearch.data.synthetic.motion import Unit


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip to be rendered.

    Attributes:
        subject: the database's own name, `01` or `S005`.
        name: the database's own name, `EP02_01f` or `001`.
        emotion: the annotated class as the database writes it; None where it is not annotated.
        units: action units that show, with their amplitude at the apex.
        incidental: other motion of the face that no coder marks and no emotion causes.
        first: number of the first frame.
        length: number of frames.
        apex: position of the strongest frame, from 0.
        frames: path of a frame below the root, with `{}` for its number.
        habitual: what this person moves along with every expression; no coder marks it.
    """

    subject: str
    name: str
    emotion: str | None
    units: tuple[Unit, ...]
    incidental: tuple[Unit, ...]
    first: int
    length: int
    apex: int
    frames: str
    habitual: tuple[Unit, ...] = ()

    @property
    def key(self) -> str:
        """`01/EP02_01f`: unique within the database."""
        return f"{self.subject}/{self.name}"

    @property
    def moving(self) -> tuple[Unit, ...]:
        """Everything that moves: `units`, then `incidental`, then `habitual`."""
        return self.units + self.incidental + self.habitual

    @property
    def paths(self) -> list[str]:
        """Paths of all frames below the root."""
        return [self.frames.format(self.first + i) for i in range(self.length)]


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for."""

    subjects: int
    clips: int | None
    seed: int
    difficulty: float
    quirks: bool
    size: float
    release: str = ""
    """One of the layout's releases; empty = the first."""
    habits: float = 0.0
    """Size of each person's habitual motion, in pixels at 128."""
    full: bool = False
    """Whether people and clips are as many as in the published label file, whatever `subjects` and `clips` say."""


@dataclass(frozen=True, slots=True)
class Camera:
    """How a layout films.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        zoom: pixels per face unit along x and y; the face is square where both agree.
        centre: pixel at which the point between the eyes lies.
        wander: spread of `centre` between clips, in pixels, and of the logarithm of the zoom.
        area: part of the world that can get into the picture, in face units.
        grey: whether frames have one channel.
        drift: spread of the slow motion of the head over a clip, in pixels at 128.
        kind: `micro` returns to neutral, `macro` ends at the peak, `still` is at the peak.
    """

    width: int
    height: int
    zoom: tuple[float, float]
    centre: tuple[float, float]
    wander: tuple[float, float]
    area: tuple[float, float, float]
    grey: bool
    drift: float
    kind: Literal["micro", "macro", "still"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One database layout: how it films, whom and what, and how it annotates.

    Attributes:
        name: the reader of this layout.
        people: layouts with the same value film the same people.
        releases: the ways in which the database is handed out; the first by default.
        camera: how it films.
        plan: every clip, by subject.
        annotate: writes the label files, and what else lies around.
    """

    name: str
    people: str
    releases: tuple[str, ...]
    camera: Callable[[Order], Camera]
    plan: Callable[[Order], tuple[ClipPlan, ...]]
    annotate: Callable[[Path, tuple[ClipPlan, ...], Order], None]

"""Settings of preprocessing: what of a clip is kept, and at which scale."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from mersearch.data.table import Kind
from mersearch.errors import ConfigError, raise_all

Method = Literal["landmarks", "haar", "none"]
SMALLEST_FLOW = 16
"""Below this, dense inverse search has fewer than two patches of 8 px per axis."""
LARGEST_FLOW = 4096
"""More pixels than a face has in any film."""
MOST_FRAMES = 1024
"""Seconds of the fastest cameras, where an expression takes half a second."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a clip becomes arrays of shape [3, T, H, W] with H = W = `size`.

    Raises:
        ConfigError: a value is out of bounds; several of them are reported together.
    """

    frames: int = 8
    """T, sampled frames per clip; 1 keeps the apex only."""
    size: int = 32
    """Height and width of the stored arrays in pixels."""
    flow_size: int = 224
    """Height and width of the face crop on which flow is computed."""
    flow_scale: float = 3.0
    """Largest displacement that is stored, in pixels of a face `face_size` wide; larger ones are clipped."""
    strain_scale: float = 0.25
    """Largest strain that is stored (pixels per pixel, no unit); larger ones are clipped."""
    face_size: int = 128
    """Width of the face crop in which displacements are counted, whatever `flow_size` is."""
    align: Literal["auto", "landmarks", "haar", "none"] = "auto"
    """`haar` searches a face, `none` takes the whole frame, `landmarks` asks for a landmark file of every clip.
    `auto` takes the landmark file where there is one, and else searches unless the database is aligned."""
    landmarks: str | None = None
    """Folder of landmark files, see `mersearch.data.landmarks`."""
    macro_fraction: float = 1.0
    """Share of a macro sequence that is used, from its neutral start; 1 = to the peak."""

    def __post_init__(self) -> None:
        rules = (
            (1 <= self.frames <= MOST_FRAMES, "frames", f"is at least 1 and at most {MOST_FRAMES}"),
            (8 <= self.size <= self.flow_size, "size", "is at least 8 and at most preprocess.flow_size"),
            (
                SMALLEST_FLOW <= self.flow_size <= LARGEST_FLOW,
                "flow_size",
                f"is at least {SMALLEST_FLOW} and at most {LARGEST_FLOW}",
            ),
            (self.flow_scale > 0, "flow_scale", "is above 0"),
            (self.strain_scale > 0, "strain_scale", "is above 0"),
            (self.face_size >= 1, "face_size", "is at least 1"),
            (
                self.align in ("auto", "landmarks", "haar", "none"),
                "align",
                "is one of auto, landmarks, haar, none",
            ),
            (
                bool(self.landmarks) or self.align != "landmarks",
                "landmarks",
                "is the folder of the landmark files, which preprocess.align=landmarks needs",
            ),
            (
                not self.landmarks or self.align in ("auto", "landmarks"),
                "landmarks",
                f"is of use with preprocess.align=auto or landmarks, not with {self.align}",
            ),
            (0 < self.macro_fraction <= 1, "macro_fraction", "is above 0 and at most 1"),
        )
        raise_all(
            [
                ConfigError(f"preprocess.{name} {rule}", received=repr(getattr(self, name)))
                for holds, name, rule in rules
                if not holds
            ]
        )

    def method(self, aligned: bool) -> Method:
        """How a face is found in a clip without landmark file, by whether its frames are crops already."""
        if self.align == "auto":
            return "none" if aligned else "haar"
        return self.align

    def applied(self, kind: Kind, aligned: bool) -> dict[str, Any]:
        """The values that decide the arrays of this kind of clips: the parameters in the key of a cache."""
        values = dataclasses.asdict(self) | {"align": self.method(aligned)}
        del values["landmarks"]
        if kind == "micro":
            del values["macro_fraction"]
        return values

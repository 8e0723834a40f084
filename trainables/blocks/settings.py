"""Parameters that several algorithms have in common."""

from __future__ import annotations

from dataclasses import dataclass

from mersearch.algorithm import bounded


@dataclass(frozen=True)
class EncoderSettings:
    """A network of one view, frame by frame."""

    width: int = bounded(16, ge=1, doc="Channels of the first convolution; later ones have twice as many.")
    dim: int = bounded(64, ge=2, doc="D, length of the feature.")


@dataclass(frozen=True)
class ClassifierSettings:
    """The fully connected classifier and its cross entropy."""

    dropout: float = bounded(0.1, ge=0, lt=1, doc="Share of the feature dropped in training.")
    label_smoothing: float = bounded(0.1, ge=0, lt=1, doc="Probability spread evenly over all classes.")


@dataclass(frozen=True)
class AugmentationSettings:
    """Random changes of a training clip, the same for both views of it."""

    flip: bool = bounded(True, doc="Mirror half of the clips; u changes sign.")
    shift: float = bounded(0.02, ge=0, le=0.5, doc="Largest translation, as a share of the picture.")
    brightness: float = bounded(0.1, ge=0, lt=1, doc="Largest change of gain and offset of the frames.")
    magnitude: float = bounded(0.2, ge=0, lt=1, doc="Largest change of the scale of the flow.")

"""Small clips on disk with motion that is known in closed form."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.data.table import Clip, Database, Kind
from mersearch.seeds import generator

SMALL = (48, 40)
"""Height and width of a frame."""


def texture(points: NDArray[np.float64], *axes: str) -> NDArray[np.uint8]:
    """A smooth pattern of 40 waves (wavelengths 12 to 60 px) at `points` [2, H, W] (x, y): uint8 [H, W].

    It is a function of the point, so a picture that moved is drawn exactly, at any sub-pixel displacement.
    """
    rng = generator("texture", *axes)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 40))
    number = 2 * np.pi / rng.uniform(12, 60, 40)
    waves = np.stack([number * np.cos(angle), number * np.sin(angle)], axis=1)
    values = sum(np.cos(k[0] * points[0] + k[1] * points[1] + p) for k, p in zip(waves, phase, strict=True))
    levels: NDArray[np.uint8] = np.clip(np.rint(128 + 16 * values), 0, 255).astype(np.uint8)
    return levels


def grid(height: int, width: int) -> NDArray[np.float64]:
    """Centres of the pixels in continuous coordinates, [2, H, W] (x, y)."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y])


def write(path: Path, image: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def write_clip(root: Path, name: str, frames: int = 6, speed: float = 0.2, kind: Kind = "micro") -> Clip:
    """A clip named `<subject>-<clip>`, moving right by `speed` pixels per frame; apex in the middle, or last."""
    paths = tuple(
        write(root / name / f"{number}.png", texture(grid(*SMALL) - [[[speed * number]], [[0]]], name))
        for number in range(frames)
    )
    subject = name.split("-", maxsplit=1)[0]
    return Clip(
        clip_id=f"toy/{subject}/{name}",
        database="toy",
        subject=f"toy/{subject}",
        emotion="up" if name.endswith("1") else "down",
        onset=0,
        apex=frames // 2 if kind == "micro" else frames - 1,
        offset=frames - 1,
        action_units=None if name.endswith("1") else (4, 12, 99),
        fps=200.0,
        frames=paths,
        kind=kind,
    )


def database(clips: tuple[Clip, ...], *, aligned: bool = True) -> Database:
    return Database(
        name="toy",
        clips=clips,
        classes=("up", "down"),
        expected=None,
        dropped=(),
        repaired=(),
        rows=len(clips),
        label_hash="0" * 64,
        aligned=aligned,
    )


def toy(root: Path, kind: Kind = "micro", *, aligned: bool = True) -> Database:
    """Two subjects with two clips each."""
    names = ("s1-1", "s1-2", "s2-1", "s2-2")
    return database(tuple(write_clip(root / kind, name, kind=kind) for name in names), aligned=aligned)

"""Manifests on disk, written by hand: tables, and what their cells name."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], separator: str = ",") -> Path:
    """A CSV whose columns are the keys of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter=separator)
        table.writerow(rows[0])
        table.writerows([row.values() for row in rows])
    return path


def flow_rows(
    root: Path, count: int = 6, subjects: int = 3, shape: tuple[int, ...] = (3, 12, 12)
) -> list[Row]:
    """Rows of clips `c0`, `c1`, … that are only flow, each with an array on disk; emotions take turns."""
    (root / "flow").mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(count):
        rng = np.random.Generator(np.random.PCG64(n))
        np.save(root / "flow" / f"c{n}.npy", rng.uniform(-2, 2, shape).astype(np.float32))
        subject, emotion = f"{n % subjects:02d}", ("happiness", "disgust")[(n // subjects) % 2]
        rows.append({"subject": subject, "emotion": emotion, "flow": f"flow/c{n}.npy", "flow_scale": 2})
    return rows


def pictures(count: int, size: tuple[int, int] = (24, 32)) -> list[NDArray[np.uint8]]:
    """Grey frames, each brighter than the one before."""
    return [np.full((*size, 3), 20 + 12 * n, np.uint8) for n in range(count)]


def write_pictures(folder: Path, images: Sequence[NDArray[np.uint8]], first: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, first):
        assert cv2.imwrite(str(folder / f"img{number}.png"), image)
    return folder


def write_video(path: Path, images: Sequence[NDArray[np.uint8]], rate: float = 25.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    for image in images:
        writer.write(image)
    writer.release()
    return path

"""Landmarks that any other tool has found: one small text file per clip, about its onset frame.

    <folder>/<clip id>.csv        landmarks/casme2/01/EP02_01f.csv; also .txt and .pts

A line is a point, `x,y` or `x y`, in pixels of the onset frame as it is on disk: (0, 0) is the centre of the pixel in
the top left corner, x grows to the right, y down. The number of points says what they are:

    2     the centres of the two eyes
    5     the two eyes, the tip of the nose, the two corners of the mouth (as MTCNN and RetinaFace give them)
    68    the points of iBUG 300-W (as dlib, OpenFace and face-alignment give them): the eyes are 36–41 and 42–47

Empty lines, lines that begin with `#`, a header `x,y` and what frames the points of a .pts file (`version: 1`,
`n_points: 68`, `{`, `}`) are skipped. Which of the eyes comes first does not matter.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

from mersearch.errors import DataError

Point = tuple[float, float]
ENDINGS = (".csv", ".txt", ".pts")
EYES: dict[int, tuple[slice, slice]] = {
    2: (slice(0, 1), slice(1, 2)),
    5: (slice(0, 1), slice(1, 2)),
    68: (slice(36, 42), slice(42, 48)),
}
"""Number of points → which of them are those of either eye."""
_SKIPPED = re.compile(r"|#.*|[{}]|(version|n_points)\s*:.*|x\s*[,;\s]\s*y", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*[,;]\s*|\s+")


class Eyes(NamedTuple):
    """Centres of the eyes, left and right in the image, in continuous coordinates (pixel i covers [i, i + 1))."""

    left: Point
    right: Point


def landmark_file(folder: Path, clip_id: str) -> Path | None:
    """The landmark file of a clip; None where there is none.

    Raises:
        DataError: there are two.
    """
    found = [path for ending in ENDINGS if (path := folder / f"{clip_id}{ending}").is_file()]
    if len(found) > 1:
        raise DataError(
            "a clip has one landmark file", received=" and ".join(map(str, found)), fix="remove one of them"
        )
    return found[0] if found else None


def read_eyes(path: Path) -> Eyes:
    """The centres of the eyes that a landmark file gives: the mean of the points of each eye.

    Raises:
        DataError: it cannot be read, is not such a file, or both eyes are at the same place.
    """
    points = _points(path)
    if len(points) not in EYES:
        raise DataError(
            "a landmark file has 2, 5 or 68 points, one per line",
            received=f"{path}: {len(points)} points",
            fix="write the centres of both eyes, or one of the other sets (docs/databases.md, 'Faces')",
        )
    one, other = (_centre(points[part]) for part in EYES[len(points)])
    left, right = sorted((one, other))
    if right[0] - left[0] < 1:
        raise DataError(
            "the eyes of a landmark file lie beside each other",
            received=f"{path}: ({one[0]:g}, {one[1]:g}) and ({other[0]:g}, {other[1]:g})",
            fix="write pixels of the onset frame, x before y",
        )
    return Eyes(left, right)


def _centre(points: list[Point]) -> Point:
    """The mean, with coordinates counted from the corner of a pixel."""
    return (
        math.fsum(x for x, _ in points) / len(points) + 0.5,
        math.fsum(y for _, y in points) / len(points) + 0.5,
    )


def _points(path: Path) -> list[Point]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            "a landmark file is text", received=f"{path}: {reason}", fix="write it again"
        ) from error
    return [
        _point(path, number, line.strip())
        for number, line in enumerate(lines, 1)
        if not _SKIPPED.fullmatch(line.strip())
    ]


def _point(path: Path, number: int, line: str) -> Point:
    try:
        x, y = map(float, _BETWEEN.split(line))
    except ValueError:
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise DataError(
            "a line of a landmark file is a point, x,y",
            received=f"{path}:{number}: {line!r}",
            fix="write two numbers per line, in pixels of the onset frame",
        )
    return x, y

"""The folders and label files of CK+, and the copies that are refused."""

from __future__ import annotations

import re
from pathlib import Path

from mersearch.data.files import folders, nearby, numbered, resembles
from mersearch.errors import DataError

EMOTIONS = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
"""The number in an emotion file is a position in this tuple."""
IMAGES, EMOTION, FACS = (
    ("cohn-kanade-images", "cohn-kanade"),
    ("emotion", "emotion_labels"),
    ("facs", "facs_labels"),
)
"""Names of the three folders, lower case."""
FRAME = re.compile(r"s\d{3}_\d{3}_(?P<number>\d+)\.(?:png|jpe?g|bmp|tiff?)", re.IGNORECASE)
EMOTION_FILE = re.compile(r"s\d{3}_\d{3}_(?P<number>\d+)_emotion\.txt", re.IGNORECASE)
FACS_FILE = re.compile(r"s\d{3}_\d{3}_(?P<number>\d+)_facs\.txt", re.IGNORECASE)

_SUBJECT, _SESSION = re.compile(r"s\d{3}"), re.compile(r"\d{3}")


def sessions(root: Path, names: tuple[str, ...]) -> dict[str, Path] | None:
    """Session folders by `S005/001`, below the folder of one of these names; None where there is none.

    Where the root is one of the three folders itself, its neighbours are the other two.
    """
    inside = root.name.lower() in (*IMAGES, *EMOTION, *FACS)
    for place in nearby(root.absolute().parent if inside else root):
        if place.name.lower() in names and any(_SUBJECT.fullmatch(name) for name in folders(place)):
            return {
                f"{name.upper()}/{session}": folder
                for name, subject in folders(place).items()
                if _SUBJECT.fullmatch(name)
                for session, folder in folders(subject).items()
                if _SESSION.fullmatch(session)
            }
    return None


def label_file(folder: Path | None, pattern: re.Pattern[str]) -> tuple[int, Path] | None:
    """The only matching file of a folder and the frame number in its name; None where there is none.

    Raises:
        DataError: there are several.
    """
    found = list(numbered(folder, pattern).items()) if folder else []
    if len(found) > 1:
        raise DataError(
            "a sequence has one label file of a kind",
            received=", ".join(path.name for _, path in found),
            fix="remove the wrong one",
        )
    return found[0] if found else None


def emotion(path: Path) -> str:
    """The emotion that a file gives as one float, such as `   3.0000000e+00`.

    Raises:
        DataError: it is no number, or not one of `EMOTIONS`.
    """
    rows = floats(path)
    if len(rows) == 1 and len(rows[0]) == 1 and rows[0][0] in range(len(EMOTIONS)):
        return EMOTIONS[int(rows[0][0])]
    raise DataError(
        "an emotion file holds one number: " + ", ".join(f"{i} {name}" for i, name in enumerate(EMOTIONS)),
        received=f"{path.name}: {path.read_text()[:40]!r}",
        fix="unpack Emotion_labels.zip again",
    )


def floats(path: Path) -> list[list[float]]:
    """The numbers of every line that is not blank.

    Raises:
        DataError: something else is in the file.
    """
    try:
        return [
            [float(word) for word in line.split()] for line in path.read_text().splitlines() if line.strip()
        ]
    except ValueError as error:
        raise DataError(
            "a label file holds numbers", received=f"{path}: {error}", fix="unpack it again"
        ) from error


def not_ckplus(root: Path, lacking: str) -> DataError:
    """The error for a root without the folders of CK+."""
    tables = any(path.suffix.lower() == ".csv" for path in root.iterdir())
    if tables or {"anger", "surprise"} <= set(folders(root)):
        return small_copy(f"{root} with a folder per emotion, or a table of pixels")
    return DataError(
        "CK+ has cohn-kanade-images/S005/001/… and Emotion/S005/001/…",
        received=f"no {lacking} in {root}{resembles(root, 'ckplus')}",
        fix="unpack extended-cohn-kanade-images.zip and Emotion_labels.zip into one folder, the root",
    )


def small_copy(received: str) -> DataError:
    """The error for a 48×48 copy."""
    return DataError(
        "CK+ is read as sequences from neutral to the peak; the 48×48 copies have none and are too small for motion",
        received=received,
        fix="get the original CK+ (cohn-kanade-images, Emotion, FACS), or set macro=none",
    )

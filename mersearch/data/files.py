"""What the readers share: finding folders, frames in numeric order, gaps, and clip errors shown together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from mersearch.data.table import Note
from mersearch.errors import DataError
from mersearch.similar import did_you_mean

SHOWN = 10
"""Clip errors that one message shows; the rest are counted."""
LARGEST_GAP = 0.1
"""Share of a clip's frames that may be missing and are stood in for by their neighbours."""
MARKS: dict[str, tuple[str, str]] = {
    "ckplus": ("CK+", r"cohn-kanade.*|emotion(_labels)?|facs(_labels)?"),
    "casme2": ("CASME II", r"casme2.*|sub\d+|cropped"),
    "samm": ("SAMM", r"samm.*|\d{3}"),
    "mmew": ("MMEW", r"mmew.*|micro_expression"),
    "mmew_macro": ("the macro half of MMEW", r"macro_expression"),
    "smic": ("SMIC", r"smic.*|hs|hs_long|s\d{1,2}"),
}
"""Reader → title of its database, and what lies in its root (lower case)."""


ABOUT = "truth/about.json"
"""What a synthetic database has below its root, and no real one."""


def is_synthetic(root: Path) -> bool:
    """Whether mersearch wrote this database; of a file, the folder that it lies in."""
    return ((root.parent if root.is_file() else root) / ABOUT).is_file()


def holds_synthetic(root: Path) -> bool:
    """Whether mersearch wrote this database, or one in a folder below it that readers look into, see `nearby`."""
    return is_synthetic(root) or any(any(root.glob(f"{below}/{ABOUT}")) for below in ("[!.]*", "[!.]*/[!.]*"))


def open_root(root: Path, title: str) -> Path:
    """The root of a database, which is a folder that holds something.

    Raises:
        DataError: it is missing, a file, or empty.
    """
    fix = f"set the root to the folder of your copy of {title}"
    rule = f"the root of {title} is a folder that holds the database"
    if root.exists() and not root.is_dir():
        raise DataError(rule, received=f"{root} is a file", fix=fix)
    if not root.exists():
        raise DataError(rule, received=f"{root} does not exist", fix=f"{did_you_mean(root)}{fix}")
    if not any(root.iterdir()):
        raise DataError(rule, received=f"{root} is empty", fix=fix)
    return root


def folders(root: Path) -> dict[str, Path]:
    """The folders in `root` by lower-case name, in the order of their names; hidden ones are left out.

    Raises:
        DataError: two names differ only in case.
    """
    found = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: path.name)
    return only_once((path.name.lower(), path) for path in found if not path.name.startswith("."))


def only_once(places: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Name → folder.

    Raises:
        DataError: two folders have one name.
    """
    found: dict[str, Path] = {}
    for name, folder in places:
        if name in found:
            raise DataError(
                "a folder of a database is there once, whatever the case of its name",
                received=f"{found[name]} and {folder}",
                fix="remove one of the two, or put them together",
            )
        found[name] = folder
    return found


def nearby(root: Path) -> Iterator[Path]:
    """`root`, the folders in it, and the folders in these: archives often unpack into a folder of their own."""
    yield root
    inside = list(folders(root).values())
    yield from inside
    for folder in inside:
        yield from folders(folder).values()


def numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    """Files whose whole name matches `pattern`, by the number in its group `number`, ascending.

    Numbers are compared as numbers (`img46` before `img102`, zero-padded or not); other files are ignored, and so are
    hidden ones, such as the `._img46.jpg` that macOS leaves.

    Raises:
        DataError: two files carry the same number.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        match = pattern.fullmatch(path.name)
        if match is None or path.name.startswith("."):
            continue
        number = int(match["number"])
        if number in found:
            raise DataError(
                "a clip has one image per frame number",
                received=f"{found[number].name} and {path.name} in {folder}",
                fix="remove one of the two; the number of a frame is the last one in its name",
            )
        found[number] = path
    return dict(sorted(found.items()))


def span(
    frames: Mapping[int, Path], first: int, last: int, needed: Sequence[int]
) -> tuple[tuple[Path, ...], str]:
    """The frames first…last, one path per frame number, and what stands in for missing ones.

    A missing frame is stood in for by the nearest one that is there (the earlier of two), so that position i stays
    frame number first + i. The text is empty where nothing is missing.

    Raises:
        DataError: a frame of `needed` is missing, or more than `LARGEST_GAP` of them are.
    """
    present = {number: None for number in frames if first <= number <= last}
    lacking = last - first + 1 - len(present)
    missing = list(islice((number for number in range(first, last + 1) if number not in present), SHOWN))
    if not set(needed) <= set(present) or lacking > LARGEST_GAP * (last - first + 1):
        raise DataError(
            f"frames {first}…{last} are on disk (at most {LARGEST_GAP:.0%} may be missing, and neither the onset "
            "nor the apex nor the offset)",
            received=f"{lacking} missing: {_listed(missing)}",
            fix="unpack the archive of the frames again, or correct the label file",
        )
    paths = tuple(
        frames[min(present, key=lambda have: (abs(have - number), have))] for number in range(first, last + 1)
    )
    told = (
        f"frame {_listed(missing)} of {first}…{last} missing: the nearest frame stands in" if missing else ""
    )
    return paths, told


def image_size(path: Path, clip_id: str) -> tuple[int, int]:
    """Width and height of a frame in pixels.

    Raises:
        DataError: it cannot be decoded.
    """
    from mersearch.data.images import read_image

    height, width, _ = read_image(path, clip_id).shape
    return width, height


def raise_clip_errors(title: str, errors: Sequence[tuple[str, DataError]]) -> None:
    """Raise what went wrong with the clips (clip id, error) as one error; nothing for an empty list."""
    if not errors:
        return
    shown = [_one_line(clip_id, error) for clip_id, error in errors[:SHOWN]]
    if len(errors) > SHOWN:
        shown.append(f"… and {len(errors) - SHOWN} more")
    fixes = dict.fromkeys(error.fix for _, error in errors if error.fix)
    raise DataError(
        f"every labelled clip of {title} can be read ({len(errors)} cannot)",
        received="\n    ".join(shown),
        fix="; ".join(list(fixes)[:3]),
    )


def grouped(notes: Sequence[Note]) -> dict[str, list[str]]:
    """Clip ids by reason, the most frequent reason first."""
    groups: dict[str, list[str]] = {}
    for note in notes:
        groups.setdefault(note.reason, []).append(note.clip_id)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def resembles(root: Path, reader: str) -> str:
    """What else than the database of `reader` a folder looks like, as advice for an error message; else empty."""
    names = [path.name.lower() for path in root.iterdir()]
    for other, (title, pattern) in MARKS.items():
        if other != reader and any(re.fullmatch(pattern, name) for name in names):
            return f"; it looks like {title} (reader {other})"
    return ""


def sha256(*files: Path) -> str:
    """SHA-256 of the content of one file; of the names and contents of several, in the order of their names."""
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    total = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.name.lower()):
        total.update(path.name.lower().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def _one_line(clip_id: str, error: DataError) -> str:
    return f"{clip_id}: {error.rule}" + (f" — {error.received}" if error.received else "")


def _listed(numbers: Sequence[int]) -> str:
    text = ", ".join(str(number) for number in numbers[:5])
    return text + (", …" if len(numbers) > 5 else "")

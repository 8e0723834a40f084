"""What a mistyped path may have meant: the entry beside it that is called alike."""

from __future__ import annotations

import difflib
import os
import unicodedata
from pathlib import Path


def similar(path: Path) -> Path | None:
    """The path with its first missing part replaced by the most similar name that is there; None without one.

    Names that differ only in case or in the way their letters are composed (ü as one code point or two) come first.
    """
    missing = Path(os.path.abspath(path))  # noqa: PTH100 - resolve would follow links
    rest: list[str] = []
    while missing.parent != missing and not missing.parent.exists():
        rest.insert(0, missing.name)
        missing = missing.parent
    try:
        names = {_plain(name): name for name in sorted(os.listdir(missing.parent))}  # noqa: PTH208
    except OSError:
        return None
    wanted = _plain(missing.name)
    close = [wanted] if wanted in names else difflib.get_close_matches(wanted, names, n=1, cutoff=0.7)
    if not close:
        return None
    found = missing.parent / names[close[0]]
    whole = found.joinpath(*rest)
    return whole if whole.exists() else found


def did_you_mean(path: Path) -> str:
    """The beginning of a fix that names what a path may have meant; empty where nothing is called alike."""
    found = similar(path)
    if found is None:
        return ""
    given = Path(os.path.abspath(path)).parts  # noqa: PTH100
    name = next(name for name, typed in zip(found.parts, given, strict=False) if name != typed)
    if name in given or _composed(name) not in map(_composed, given):
        return f"did you mean {found}? "
    return f"the name on disk looks the same and has other code points: {name!a}; "


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _plain(name: str) -> str:
    return _composed(name).casefold()

"""Whose is what in a manifest, and in what is used with it: a person has one name, and no file is two people's.

Else a fold would train on the person, or on the pictures, that it is tested on.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from mersearch.data.table import Clip, Database
from mersearch.errors import DataError


class People:
    """The people of a table, and what has been found to be theirs so far.

    Args:
        subjects: the subject of every row, `<database>/<subject>`.
    """

    def __init__(self, subjects: Iterable[str]) -> None:
        self._rows = Counter(subjects)
        self._spellings: dict[str, list[str]] = defaultdict(list)
        for subject in self._rows:
            self._spellings[_plain(subject)].append(subject)
        self._owners: dict[object, tuple[Clip, str]] = {}

    def require_one_spelling(self, subject: str) -> None:
        """Raise DataError for the rarer one of two names that look like one person's; for both where equal."""
        others = [name for name in self._spellings[_plain(subject)] if name != subject]
        commoner = [name for name in others if self._rows[name] >= self._rows[subject]]
        if commoner:
            raise DataError(
                "column subject writes the name of a person in one way",
                received=f"{subject!r} and {commoner[0]!r}",
                fix="write it alike in all rows; if they are two people, give one of them another name",
            )

    def require_own(self, clip: Clip, where: str) -> None:
        """Raise DataError where files of a clip are another person's, or all of them another clip's."""
        pieces = _pieces(clip)
        known = [self._owners[piece] for piece in pieces if piece in self._owners]
        for twin, line in {twin.clip_id: (twin, line) for twin, line in known}.values():
            if twin.subject != clip.subject or _pieces(twin) == pieces:
                raise DataError(
                    f"column {'frames' if clip.pictured else 'flow'} names each clip once, and for one person",
                    received=f"the files of {clip.clip_id} are those of {twin.clip_id} in {line}",
                    fix="correct the cell, or delete one of the two rows",
                )
        self._owners |= dict.fromkeys(pieces, (clip, where))


def require_apart(databases: Sequence[Database]) -> None:
    """Raise DataError where databases that are used together name a person in two ways, or a file for two people."""
    names: dict[str, tuple[str, str]] = {}
    owners: dict[object, Clip] = {}
    for database in databases:
        for subject in database.subjects:
            known, where = names.setdefault(_plain(subject), (subject, database.name))
            if known != subject:
                raise DataError(
                    "a person has one name in all databases that are used together",
                    received=f"{known!r} in {where}, {subject!r} in {database.name}",
                    fix="write it alike in both; if they are two people, give one of them another name",
                )
        for clip in database.clips:
            for piece in _pieces(clip):
                owner = owners.setdefault(piece, clip)
                if owner.subject != clip.subject:
                    raise DataError(
                        "a file is one person's in all databases that are used together",
                        received=f"{clip.clip_id} has a file of {owner.clip_id}",
                        fix="correct one of the two tables",
                    )


def _plain(name: str) -> str:
    """A name without what people write in several ways: case, zeros before numbers, blanks, composed letters."""
    return re.sub(r"(?<!\d)0+(?=\d)|\s", "", unicodedata.normalize("NFC", name).casefold())


def _pieces(clip: Clip) -> tuple[object, ...]:
    """What a clip is made of: files, or frames of a video."""
    if clip.video is not None:
        first = clip.video.first
        return tuple((clip.video.path, first + position) for position in range(clip.video.length))
    if clip.pictured:
        return tuple(dict.fromkeys(clip.frames))
    return clip.flow.files if clip.flow is not None else ()

"""What `mersearch data check` tells about a database: found against expected, dropped, repaired, sizes."""

from __future__ import annotations

import dataclasses
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mersearch.counted import counted
from mersearch.data.files import grouped
from mersearch.data.flow_maps import require_numbers
from mersearch.data.given import read_given
from mersearch.data.pictures import clip_size
from mersearch.data.table import Clip, Database

WIDTH = 80
"""Columns of a line of text."""
_NAMED = 4
"""Clip ids that a group of notes names; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """Plain facts about a database as it was read."""

    database: str
    subjects: int
    clips: int
    rows: int
    """Annotations read, clips of other label sets included."""
    classes: dict[str, tuple[int, int | None]]
    """Class → clips found, clips expected (None where no published table exists)."""
    dropped: dict[str, list[str]]
    """Reason → clip ids."""
    repaired: dict[str, list[str]]
    """Reason → clip ids."""
    sizes: tuple[tuple[int, int, int], ...]
    """Width and height of the first frame, and the clips of that size; the most frequent first."""
    fps: tuple[float, ...]
    frames: tuple[int, int, int]
    """Frames per clip: fewest, median, most."""
    clips_per_subject: tuple[int, int]
    """Fewest, most."""
    without_action_units: int
    aligned: bool
    label_hash: str
    warnings: tuple[str, ...]
    flow: tuple[int, ...] = ()
    """Maps of flow per clip that were computed elsewhere, every number that occurs; empty where there are none."""
    pictured: bool = True
    """Whether there are frames, not only flow."""
    synthetic: bool = False
    """Written by mersearch: there is no published count to compare with."""
    parts: tuple[Check, ...] = ()
    """Of a composite: its databases, each by itself."""


def check_given(database: str, given: Sequence[str], labels: str | None = None) -> Check:
    """Read what a command line names, as `read_given` does, and check it.

    Raises:
        ConfigError: the folders do not fit the database.
        DataError, Several: a database cannot be read, or a first frame cannot be decoded.
    """
    found = read_given(database, given, labels)
    for clip in found.database.clips:
        if clip.flow is not None:
            require_numbers(clip.flow, clip.clip_id)
    sizes = frame_sizes(found.database)
    parts = tuple(
        check(
            _unpublished(part, part.name in found.synthetic),
            {c.clip_id: sizes[c.clip_id] for c in part.clips},
        )
        for part in found.database.parts
    )
    whole = check(_unpublished(found.database, bool(found.synthetic)), sizes)
    return dataclasses.replace(whole, synthetic=bool(found.synthetic), parts=parts)


def _unpublished(database: Database, synthetic: bool) -> Database:
    """Without the published counts where they are none of this database."""
    return dataclasses.replace(database, expected=None) if synthetic else database


def frame_sizes(database: Database) -> dict[str, tuple[int, int]]:
    """Width and height of the first frame (without frames: of the first map of flow) of every clip, by clip id."""
    return {clip.clip_id: clip_size(clip) for clip in database.clips}


def check(database: Database, sizes: Mapping[str, tuple[int, int]]) -> Check:
    """The facts, and a warning for everything that a user should look at."""
    lengths = sorted(_length(clip) for clip in database.clips)
    per_subject = Counter(clip.subject for clip in database.clips).values()
    expected = database.expected or {}
    return Check(
        database=database.name,
        subjects=len(database.subjects),
        clips=len(database.clips),
        rows=database.rows,
        classes={name: (count, expected.get(name)) for name, count in database.counts().items()},
        dropped=grouped(database.dropped),
        repaired=grouped(database.repaired),
        sizes=tuple((*size, count) for size, count in Counter(sizes.values()).most_common()),
        fps=tuple(sorted({clip.fps for clip in database.clips})),
        frames=(lengths[0], lengths[len(lengths) // 2], lengths[-1]) if lengths else (0, 0, 0),
        clips_per_subject=(min(per_subject, default=0), max(per_subject, default=0)),
        without_action_units=sum(clip.action_units is None for clip in database.clips),
        aligned=database.aligned,
        flow=tuple(sorted({clip.flow.length for clip in database.clips if clip.flow is not None})),
        pictured="rgb" in database.views,
        label_hash=database.label_hash,
        warnings=tuple(_warnings(database)),
    )


def lines(facts: Check) -> tuple[str, ...]:
    """The check as text, at most `WIDTH` columns wide."""
    name = f"{facts.database} (synthetic)" if facts.synthetic else facts.database
    text = [
        f"{name}: {counted(facts.clips, 'clip')} of {counted(facts.subjects, 'subject')}, "
        f"{counted(facts.rows, 'annotation')} read",
        "",
        *_class_table(facts),
        "",
        *(line for part in facts.parts for line in _described(part.database, _part(part))),
        *_described("frames", _frames(facts) if facts.pictured else "none: flow is all there is"),
        *(_described("flow", _flow(facts)) if facts.flow else ()),
        *_described("subjects", "{} to {} clips each".format(*facts.clips_per_subject)),
        *_described("units", _action_units(facts)),
        *_described("labels", f"SHA-256 {facts.label_hash[:16]}…"),
        *_notes("dropped", facts.dropped),
        *_notes("repaired", facts.repaired),
    ]
    for warning in facts.warnings:
        text += _described("warning", warning)
    return tuple(text)


def _warnings(database: Database) -> Iterator[str]:
    expected = database.expected or {}
    differing = [
        f"{name} {found} of {expected[name]}"
        for name, found in database.counts().items()
        if found != expected.get(name, found)
    ]
    if differing:
        yield f"clips found differ from the published label file (marked !): {', '.join(differing)}"
    if database.clips and database.clips[0].kind == "micro":
        yield from _fold_warnings(database)
    if stills := sum(_length(clip) == 1 and clip.flow is None for clip in database.clips):
        yield f"no motion in {counted(stills, 'clip')} of one frame: the flow there is zero"


def _fold_warnings(database: Database) -> Iterator[str]:
    if len(database.subjects) == 1:
        yield "one subject only: leave-one-subject-out needs at least two"
        return
    holders: defaultdict[str, set[str]] = defaultdict(set)
    for clip in database.clips:
        holders[clip.emotion].add(clip.subject)
    for name in database.classes:
        if len(holders[name]) == 1:
            yield f"class {name} occurs in {min(holders[name])} only: the fold of this subject cannot learn it"


def _class_table(facts: Check) -> list[str]:
    table = [f"  {'class':<14}{'found':>7}{'expected':>10}"]
    for name, (found, expected) in facts.classes.items():
        mark = "" if expected in (None, found) else "  !"
        table.append(f"  {name:<14}{found:>7}{'–' if expected is None else expected:>10}{mark}")
    return table


def _part(facts: Check) -> str:
    counts = ", ".join(f"{name} {found}" for name, (found, _) in facts.classes.items())
    seen = _kind(facts) if facts.pictured else "flow is all there is"
    return f"{counted(facts.clips, 'clip')} of {counted(facts.subjects, 'subject')} ({counts}); {seen}"


def _kind(facts: Check) -> str:
    if len({part.aligned for part in facts.parts}) > 1:
        return "cropped faces and whole pictures"
    return "cropped faces (aligned already)" if facts.aligned else "whole pictures (to be aligned)"


def _length(clip: Clip) -> int:
    """Frames, or maps of a clip that has no frames."""
    return clip.offset - clip.onset + 1 if clip.pictured else clip.offset


def _sizes(facts: Check) -> str:
    more = f", {len(facts.sizes) - 3} more sizes" if len(facts.sizes) > 3 else ""
    shown = ", ".join(
        f"{width}×{height} ({counted(count, 'clip')})" for width, height, count in facts.sizes[:3]
    )
    return f"{shown}{more}"


def _flow(facts: Check) -> str:
    fewest, most = min(facts.flow), max(facts.flow)
    maps = f"{counted(fewest, 'map')}" if fewest == most else f"{fewest} to {most} maps"
    sizes = "" if facts.pictured else f"; {_sizes(facts)}"
    return f"given, not computed: {maps} per clip{sizes}"


def _frames(facts: Check) -> str:
    rates = [f"{fps:g}" for fps in facts.fps if fps] or ["an unknown number"]
    rate = ", ".join(rates)
    fewest, median, most = facts.frames
    return f"{_kind(facts)}; {_sizes(facts)}; {rate} per second; {fewest} to {most} per clip, median {median}"


def _action_units(facts: Check) -> str:
    if not facts.without_action_units:
        return "action units annotated for every clip"
    return f"{facts.without_action_units} of {facts.clips} clips without annotated action units"


def _notes(title: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    text: list[str] = []
    for reason, clips in groups.items():
        named = ", ".join(clips[:_NAMED]) + (f", … {len(clips) - _NAMED} more" if len(clips) > _NAMED else "")
        text += _described(title, f"{len(clips)}: {reason} ({named})")
    return text or _described(title, "none")


def _described(title: str, text: str) -> list[str]:
    """`title  text`, wrapped with the text hanging."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {title:<10}",
        subsequent_indent=" " * 12,
        break_on_hyphens=False,
    )

"""One row of a manifest as a clip: its frames, its video, its flow."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from mersearch.data.action_units import parse
from mersearch.data.annotation import NO_APEX
from mersearch.data.files import numbered, span
from mersearch.data.flow_maps import ARRAYS, PICTURES, flow_facts
from mersearch.data.manifest_table import Row
from mersearch.data.table import Clip, FlowMaps, Kind, Video
from mersearch.data.videos import VIDEOS, video_facts
from mersearch.errors import DataError
from mersearch.similar import did_you_mean

FRAME = re.compile(
    rf".*?(?P<number>\d+)\.(?:{'|'.join(sorted(ending[1:] for ending in PICTURES))})", re.IGNORECASE
)
MAP = re.compile(
    rf".*?(?P<number>\d+)\.(?:{'|'.join(sorted(ending[1:] for ending in PICTURES | ARRAYS))})", re.IGNORECASE
)
NUMBER = r"\d+(?:\.0+)?"
Ends = tuple[int, int, int]
"""Onset, apex and offset as frame numbers."""


def clip_of(
    row: Row, table: Path, clip_id: str, subject: str, emotion: str, kind: Kind
) -> tuple[Clip, list[str]]:
    """The clip of a row, and what was repaired. Paths are relative to the folder of the table.

    Raises:
        DataError: a cell or what it names breaks a rule; the message begins with the column.
    """
    notes: list[str] = []
    frames: tuple[Path, ...] = ()
    video, fps, ends = None, _positive(row, "fps"), (0, 0, 0)
    if row["frames"]:
        source = _there(row, "frames", table)
        if source.is_dir():
            frames, ends = _pictures(row, source, kind, notes)
        else:
            video, rate, ends = _video(row, source, kind, notes)
            fps = fps or rate
    flow = _flow(row, table, kind) if row["flow"] else None
    if flow is not None and not row["frames"]:
        ends = (0, flow.apex, flow.length)
    return Clip(
        clip_id=clip_id,
        database=clip_id.partition("/")[0],
        subject=subject,
        emotion=emotion,
        onset=0,
        apex=ends[1] - ends[0],
        offset=ends[2] - ends[0],
        action_units=_units(row),
        fps=fps or 0.0,
        frames=frames,
        kind=kind,
        video=video,
        flow=flow,
    ), notes


def _there(row: Row, column: str, table: Path) -> Path:
    path = table.parent / Path(row[column]).expanduser()
    if not path.exists():
        windows = re.match(r"[A-Za-z]:", row[column])
        hint = "that is a path of Windows: " if windows else did_you_mean(path)
        fix = f"{hint}correct the cell; paths are relative to {table.parent}"
        raise DataError(f"column {column} names a folder or a file", received=f"no {path}", fix=fix)
    return path


def _pictures(row: Row, folder: Path, kind: Kind, notes: list[str]) -> tuple[tuple[Path, ...], Ends]:
    images: Mapping[int, Path] = numbered(folder, FRAME)
    if not images:
        raise DataError(
            "column frames names a folder of pictures with their number at the end (img46.jpg), or a video",
            received=f"{folder} without such files",
            fix="number the pictures, or name the video file",
        )
    ends = _ends(row, min(images), max(images), kind, notes)
    try:
        frames, gap = span(images, ends[0], ends[2], needed=ends)
    except DataError as error:
        rule, fix = f"columns onset, apex, offset: {error.rule}", "correct the row, or copy the frames again"
        raise DataError(rule, received=error.received, fix=fix) from error
    if gap:
        notes.append(gap)
    return frames, ends


def _video(row: Row, path: Path, kind: Kind, notes: list[str]) -> tuple[Video, float, Ends]:
    if path.suffix.lower() not in VIDEOS:
        raise DataError(
            f"column frames names a folder of pictures, or a video ({', '.join(sorted(VIDEOS))})",
            received=str(path),
            fix="name the folder of the pictures",
        )
    try:
        about = video_facts(path)
    except DataError as error:
        raise DataError(f"column frames: {error.rule}", received=error.received, fix=error.fix) from error
    ends = _ends(row, 1, about.frames, kind, notes)
    if ends[0] < 1 or ends[2] > about.frames:
        raise DataError(
            f"columns onset, apex, offset are frames of the video, 1…{about.frames}",
            received=f"{ends[0]}…{ends[2]}",
            fix="correct the row",
        )
    return Video(path, ends[0] - 1, ends[2] - ends[0] + 1), about.fps, ends


def _ends(row: Row, first: int, last: int, kind: Kind, notes: list[str]) -> Ends:
    """Onset, apex and offset; without them the whole folder or video, and the middle (a macro clip: its end)."""
    onset = _number(row, "onset") if row["onset"] else first
    offset = _number(row, "offset") if row["offset"] else last
    if row["apex"] not in NO_APEX:
        apex = _number(row, "apex")
    elif kind == "macro":
        apex = offset
    else:
        apex = (onset + offset) // 2
        notes.append(f"no apex ({row['apex']!r}): the middle of onset and offset")
    if not onset <= apex <= offset:
        raise DataError(
            "columns onset, apex, offset: onset ≤ apex ≤ offset",
            received=f"{onset}, {apex}, {offset}",
            fix="correct the row, or leave the apex empty to use the middle of onset and offset",
        )
    return onset, apex, offset


def _flow(row: Row, table: Path, kind: Kind) -> FlowMaps:
    source = _there(row, "flow", table)
    files = tuple(numbered(source, MAP).values()) if source.is_dir() else (source,)
    if not files or files[0].suffix.lower() not in PICTURES | ARRAYS:
        raise DataError(
            "column flow names an array (.npy), a picture, or a folder of these with their number at the end",
            received=str(source),
            fix="write the maps with numpy.save, or number the files of the folder",
        )
    try:
        about = [flow_facts(path) for path in files]
    except DataError as error:
        raise DataError(f"column flow: {error.rule}", received=error.received, fix=error.fix) from error
    if len(files) > 1 and any(one.maps > 1 for one in about):
        fix = "write one array of all maps, or one file for each"
        received = f"{source} with several maps in a file"
        raise DataError("column flow: a file of a folder holds one map", received=received, fix=fix)
    if len({one[1:] for one in about}) > 1:
        received, fix = f"{source} with maps of several sizes or kinds", "compute them alike"
        raise DataError("column flow: the maps of a clip are alike", received=received, fix=fix)
    length = sum(one.maps for one in about)
    return FlowMaps(
        files=files,
        length=length,
        apex=_strongest(row, length, kind),
        side=max(about[0].height, about[0].width),
        scale=_scale(row, bytes_=about[0].bytes),
        strain_scale=_positive(row, "strain_scale"),
        where=f"{row.where} of {table.name}",
    )


def _scale(row: Row, *, bytes_: bool) -> float | None:
    scale = _positive(row, "flow_scale")
    if bytes_ and scale is not None:
        raise DataError(
            "column flow_scale is empty where flow has 8 bits, whose range is the scale",
            received=row["flow_scale"],
            fix="leave it empty, or store the numbers as float32",
        )
    if scale is None and not bytes_:
        raise DataError(
            "column flow_scale gives the largest u and v of an array of numbers; larger ones are clipped",
            received="an empty cell, or no such column",
            fix="3 where flow is in pixels of a face 128 wide; in proportion for other widths",
        )
    return scale


def _strongest(row: Row, length: int, kind: Kind) -> int:
    """The map that is closest to the annotated apex; without one the middle map, of a macro clip the last."""
    if all(re.fullmatch(NUMBER, row[column]) for column in ("onset", "apex", "offset")):
        onset, apex, offset = (_number(row, column) for column in ("onset", "apex", "offset"))
        if onset <= apex <= offset and onset < offset:
            share = (apex - onset) / (offset - onset)
            return min(max(math.floor(share * length + 0.5), 1), length)
    return length if kind == "macro" else (length + 1) // 2


def _units(row: Row) -> tuple[int, ...] | None:
    try:
        return parse(row["action_units"])
    except DataError as error:
        rule = f"column action_units: {error.rule}"
        raise DataError(rule, received=error.received, fix=error.fix) from error


def _number(row: Row, column: str) -> int:
    if not re.fullmatch(NUMBER, row[column]):
        fix = "write the number of the frame, or leave the cell empty"
        raise DataError(f"column {column} is a frame number", received=repr(row[column]), fix=fix)
    return int(row[column].partition(".")[0])


def _positive(row: Row, column: str) -> float | None:
    """A number above 0; None for an empty cell."""
    if not row[column]:
        return None
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        fix = "write it with a point, as in 0.25, or leave the cell empty"
        raise DataError(f"column {column} is a number above 0", received=repr(row[column]), fix=fix)
    return value

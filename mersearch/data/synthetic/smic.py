"""The layouts of SMIC-HS: a folder per clip, or long sequences with a workbook."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from mersearch import seeds
from mersearch.data.synthetic import cameras, labels, micro, workbook
from mersearch.data.synthetic.census import Census
from mersearch.data.synthetic.plan import Camera, ClipPlan, Layout, Order

WORKBOOK = "SMIC-HS-E_annotation.xlsx"
COLUMNS = (
    "Subject",
    "Filename",
    "Emotion",
    "OnsetF",
    "OffsetF",
    "Onset2F",
    "Offset2F",
    "Onset3F",
    "Offset3F",
    None,
    "FirstF",
    "LastF",
    "TotalMF1",
    "TotalMF2",
    "TotalMF3",
    "TotalVL",
)
CENSUS = Census(
    layout="smic",
    counts=labels.SMIC_COUNTS,
    subject="s{}".format,
    numbers=(1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20),
    scored=("negative", "positive", "surprise"),
    core=("negative", "positive", "surprise"),
    mean=10.2,
    spread=0.7,
    most=39,
)
LATER = 7
"""Second and third micro-expressions of a sequence (164 clips in 157 rows in SMIC)."""
FORMULAS = 2
"""Rows whose offset is a formula."""
_SHORT = {"negative": "ne", "positive": "po", "surprise": "sur"}


def camera(order: Order) -> Camera:
    """The face crop, or the whole frame: 320×240 pixels at size 1 (the real frames are 640×480)."""
    if order.release == "cropped":
        return cameras.crop(order.size)
    return cameras.room(round(320 * order.size), round(240 * order.size), grey=False)


def plan(order: Order) -> tuple[ClipPlan, ...]:
    """Every clip of the database, by subject."""
    given = CENSUS.given(order)
    clips = [clip for subject, mine in given.items() for clip in _subject(order, subject, mine)]
    return tuple(_joined(clips, order) if order.release == "long" else clips)


def annotate(root: Path, clips: tuple[ClipPlan, ...], order: Order) -> None:
    """Write the workbook of the long release; in the others a gap, a folder without emotion and a stray file."""
    if order.release == "long":
        rows = list(_rows(clips, order))
        workbook.write(root / "SMIC-HS-E" / WORKBOOK, {"Sheet1": [COLUMNS, *rows]})
    elif order.quirks:
        gap = max(clips, key=lambda clip: clip.length)
        (root / gap.paths[gap.length - 3]).unlink()
        folder = (root / clips[0].frames).parents[3] / "non_micro" / "s1_n1"
        folder.mkdir(parents=True)
        (folder / "reg_image000001.bmp").write_bytes(b"")
        (folder.parent / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")


def _subject(order: Order, subject: str, emotions: list[str]) -> list[ClipPlan]:
    rng = seeds.generator("synthetic", "smic", "subject", subject, order.seed)
    padded = f"s{int(subject[1:]):02d}"
    clips, seen = [], dict.fromkeys(_SHORT, 0)
    for emotion in emotions:
        seen[emotion] += 1
        name = f"{subject}_{_SHORT[emotion]}_{seen[emotion]:02d}"
        frames = {
            "cropped": f"HS/{subject}/micro/{emotion}/{name}/reg_image{{:06d}}.bmp",
            "raw": f"HS/{padded}/micro/{emotion}/{name}/image{{:06d}}.bmp",
            "long": f"SMIC-HS-E/{padded}/{name}/image{{:06d}}.jpg",
        }[order.release]
        cells = labels.MICRO_UNITS[emotion]
        clips.append(
            micro.clip("smic", order, (padded, name), emotion, cells, frames, rng, first=(1, 600_000))
        )
    return clips


def _joined(clips: list[ClipPlan], order: Order) -> Iterator[ClipPlan]:
    """The long release: some clips follow another one of their subject and class in its folder, as `…-2`, `…-3`."""
    last: dict[tuple[str, str | None], tuple[ClipPlan, int]] = {}
    joined = 0
    for clip in clips:
        before, count = last.get((clip.subject, clip.emotion), (None, 0))
        if before is None or count == 3 or joined == LATER or not order.quirks:
            placed, count = clip, 1
        else:
            joined, count = joined + 1, count + 1
            name = f"{before.name.partition('-')[0]}-{count}"
            first = before.first + before.length + 20
            placed = dataclasses.replace(clip, name=name, first=first, frames=before.frames)
        last[clip.subject, clip.emotion] = (placed, count)
        yield placed


def _rows(clips: tuple[ClipPlan, ...], order: Order) -> Iterator[workbook.Row]:
    """One row per folder, with up to three intervals."""
    ordered = sorted(clips, key=lambda clip: (clip.frames, clip.first))
    for line, (_, group) in enumerate(groupby(ordered, key=lambda clip: clip.frames), start=2):
        mine = list(group)
        ends = [(clip.first, clip.first + clip.length - 1) for clip in mine]
        cells: list[workbook.Cell] = [end for pair in ends for end in pair]
        cells += [None] * (6 - len(cells))
        if order.quirks and line < 2 + FORMULAS:
            cells[1] = workbook.Formula(f"D{line}+{mine[0].length - 1}", ends[0][1])
        totals: list[workbook.Cell] = [clip.length for clip in mine]
        totals += [None] * (3 - len(mine))
        first, last = ends[0][0], ends[-1][1]
        subject = int(mine[0].subject[1:])
        yield [subject, mine[0].name, mine[0].emotion, *cells, None, first, last, *totals, last - first + 1]


LAYOUT = Layout(
    name="smic",
    people="smic",
    releases=("cropped", "raw", "long"),
    camera=camera,
    plan=plan,
    annotate=annotate,
)

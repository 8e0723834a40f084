"""The layout of CASME II, cropped frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic import cameras, labels, micro, workbook
from mersearch.data.synthetic.census import Census
from mersearch.data.synthetic.plan import Camera, ClipPlan, Layout, Order

WORKBOOKS = {"2014": "CASME2-coding-20140508.xlsx", "2019": "CASME2-coding-20190701.xlsx"}
"""Release → name of the label file; that of 2014 has two empty columns and two empty sheets."""
COLUMNS = (
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
)
_FIVE = ("happiness", "disgust", "repression", "surprise", "others")
CENSUS = Census(
    layout="casme2",
    counts=labels.CASME2_COUNTS,
    subject="{:02d}".format,
    numbers=tuple(range(1, 27)),
    scored=_FIVE,
    core=("happiness", "disgust", "repression", "surprise"),
    mean=9.8,
    spread=0.78,
    most=35,
    rare=("sadness",),
    known={
        "04": {"disgust": 2, "others": 3},
        "05": {"disgust": 2, "repression": 2, "surprise": 1, "others": 4},
        "16": {"repression": 2, "others": 2},
        "18": {"others": 3},
        "22": {"others": 2, "sadness": 1},
    },
)
_REAL_ODDITIES = frozenset(
    {"04/EP12_01f", "05/EP09_05f", "05/EP16_04f", "09/EP02_02f", "24/EP02_07", "16/EP01_08"}
)
"""Clips of the real database that need a repair, so no synthetic clip may bear their name by chance."""
_NO_APEX = "EP12_01f"
"""The clip of subject 04 whose apex the real workbook gives as `/`."""
_ODD_NAMES = {"05": ("EP09_05f", "EP16_04f"), "16": ("EP01_08",)}
"""Further clips with faults, which only the published size has."""


def camera(size: float) -> Camera:
    """The face crop: 140×170 pixels at size 1 (the real crops are about 280×340)."""
    return cameras.crop(size)


def plan(order: Order) -> tuple[ClipPlan, ...]:
    """Every clip of the database, by subject."""
    return tuple(
        clip for subject, mine in CENSUS.given(order).items() for clip in _subject(order, subject, mine)
    )


def annotate(root: Path, clips: tuple[ClipPlan, ...], order: Order) -> None:
    """Write the workbook, and the stray file that the real folders hold."""
    rows = [list(COLUMNS)] + [_row(clip, order) for clip in clips]
    if order.release == "2019":
        kept = [i for i, title in enumerate(COLUMNS) if title]
        workbook.write(root / WORKBOOKS["2019"], {"Sheet1": [[row[i] for i in kept] for row in rows]})
    else:
        workbook.write(root / WORKBOOKS["2014"], {"Sheet1": rows, "Sheet2": [], "Sheet3": []})
    if order.quirks:
        folder = (root / clips[len(clips) // 2].frames).parent
        (folder / "reg_img - Shortcut.lnk").write_bytes(b"L\x00\x00\x00")
    if order.quirks and order.full:
        for key in ("sub09/EP02_02f", "sub24/EP02_07"):
            (root / "Cropped" / key).mkdir(parents=True)


def _subject(order: Order, subject: str, emotions: list[str]) -> list[ClipPlan]:
    rng = seeds.generator("synthetic", "casme2", "subject", subject, order.seed)
    clips, names = [], _names(subject, len(emotions), order, rng)
    for name, emotion in zip(names, emotions, strict=True):
        frames = f"Cropped/sub{subject}/{name}/reg_img{{}}.jpg"
        cells = labels.CASME2_UNITS[emotion]
        clip = micro.clip("casme2", order, (subject, name), emotion, cells, frames, rng)
        short = clip.key == "16/EP01_08" and order.quirks
        clips.append(dataclasses.replace(clip, first=73, length=24, apex=21) if short else clip)
    return clips


def _names(subject: str, count: int, order: Order, rng: np.random.Generator) -> list[str]:
    """`EP02_01f`: the film that was watched, the count within it, `f` on most."""
    names, seen = [], {f"{film:02d}": 0 for film in range(1, 20)}
    if _no_apex(order, subject, _NO_APEX):
        names.append(_NO_APEX)
    if order.full:
        names += _ODD_NAMES.get(subject, ())
    while len(names) < count:
        film = f"{int(rng.integers(1, 20)):02d}"
        seen[film] += 1
        name = f"EP{film}_{seen[film]:02d}" + ("f" if rng.random() < 0.85 else "")
        if f"{subject}/{name}" not in _REAL_ODDITIES and not _no_apex(order, subject, name):
            names.append(name)
    return names


def _no_apex(order: Order, subject: str, name: str) -> bool:
    whose = "04" if order.full or order.subjects >= 4 else "01"
    return order.quirks and name == _NO_APEX and subject == whose


def _row(clip: ClipPlan, order: Order) -> list[workbook.Cell]:
    rng = seeds.generator("synthetic", "casme2", "row", clip.key, order.seed)
    cell = micro.cell(clip)
    if order.quirks and rng.random() < 0.02:
        cell = "?"
    onset, apex, offset = clip.first, clip.first + clip.apex, clip.first + clip.length - 1
    odd = {"05/EP09_05f": (onset, onset, offset), "05/EP16_04f": (onset, offset, offset)}
    odd["16/EP01_08"] = (onset, apex, 110)
    if order.quirks and order.full:
        onset, apex, offset = odd.get(clip.key, (onset, apex, offset))
    shown = "/" if _no_apex(order, clip.subject, clip.name) else apex
    return [clip.subject, clip.name, None, onset, shown, offset, None, cell, clip.emotion]


LAYOUT = Layout(
    name="casme2",
    people="casme2",
    releases=("2014", "2019"),
    camera=lambda order: camera(order.size),
    plan=plan,
    annotate=annotate,
)

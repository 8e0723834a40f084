"""The layout of SAMM: grey frames that show more than the face, a workbook with text before its header."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic import cameras, labels, micro, workbook
from mersearch.data.synthetic.census import Census
from mersearch.data.synthetic.plan import Camera, ClipPlan, Layout, Order

WORKBOOK = "SAMM_Micro_FACS_Codes_v2.xlsx"
COLUMNS = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
)
PREAMBLE: tuple[tuple[str, ...], ...] = (
    ("Synthetic micro-movements in the layout of SAMM",),
    (),
    ("Subject", "a number of three digits"),
    ("Onset, Apex, Offset", "frame numbers"),
    ("Action Units", "FACS numbers; L and R are sides, A to E intensities"),
    *[()] * 8,
)
"""The thirteen rows above the header."""
CENSUS = Census(
    layout="samm",
    counts=labels.SAMM_COUNTS,
    subject="{:03d}".format,
    numbers=tuple(n for n in range(6, 38) if n not in (8, 27, 29)),
    scored=("Anger", "Happiness", "Other", "Surprise", "Contempt"),
    core=("Anger", "Happiness", "Surprise", "Contempt"),
    mean=5.5,
    spread=0.7,
    most=20,
    known={"012": {"Other": 2}, "021": {"Disgust": 1, "Sadness": 1}, "036": {"Fear": 2}},
)
_BAD_APEX = frozenset({"028_4_1", "032_3_1"})
"""Clips whose apex lies outside onset and offset in the real workbook, too."""


def camera(order: Order) -> Camera:
    """The whole frame: 408×218 pixels at size 1 (the real frames are 2040×1088)."""
    return cameras.room(round(408 * order.size), round(218 * order.size), grey=True)


def plan(order: Order) -> tuple[ClipPlan, ...]:
    """Every clip of the database, by subject."""
    return tuple(
        clip for subject, mine in CENSUS.given(order).items() for clip in _subject(order, subject, mine)
    )


def annotate(root: Path, clips: tuple[ClipPlan, ...], order: Order) -> None:
    """Write the workbook: as it is handed out, or as cleaned copies of it are (`clean`)."""
    clean = order.release == "clean"
    rows: list[workbook.Row] = [] if clean else list(PREAMBLE)
    rows.append(COLUMNS)
    for line, clip in enumerate(clips, start=len(rows) + 1):
        rows.append(_row(clip, order, line, clean))
    workbook.write(root / WORKBOOK, {"Sheet1" if clean else "MICRO_ONLY": rows})


def _subject(order: Order, subject: str, emotions: list[str]) -> list[ClipPlan]:
    rng = seeds.generator("synthetic", "samm", "subject", subject, order.seed)
    digits = 4 if int(subject) % 5 == 2 else 5
    clips = []
    for name, emotion in zip(_names(subject, len(emotions), rng), emotions, strict=True):
        frames = f"{subject}/{name}/{subject}_{{:0{digits}d}}.jpg"
        cells = labels.MICRO_UNITS[emotion.lower()]
        clips.append(
            micro.clip("samm", order, (subject, name), emotion, cells, frames, rng, first=(200, 9000))
        )
    return clips


def _names(subject: str, count: int, rng: np.random.Generator) -> list[str]:
    """`006_1_2`: the film that was watched, and the count within it."""
    names = [name for name in sorted(_BAD_APEX) if name.startswith(subject)]
    seen = dict.fromkeys(range(1, 8), 0)
    while len(names) < count:
        film = int(rng.integers(1, 8))
        seen[film] += 1
        name = f"{subject}_{film}_{seen[film]}"
        if name not in names:
            names.append(name)
    return names


def _row(clip: ClipPlan, order: Order, line: int, clean: bool) -> workbook.Row:
    onset, apex, offset = clip.first, clip.first + clip.apex, clip.first + clip.length - 1
    if order.quirks and clip.name in _BAD_APEX:
        apex = onset - 20
    duration = offset - onset + 1
    emotion = "Others" if clean and clip.emotion == "Other" else clip.emotion
    return (
        clip.subject,
        clip.name,
        int(clip.name.split("_")[1]),
        onset,
        apex,
        offset,
        duration if clean else workbook.Formula(f"F{line}-D{line}+1", duration),
        "Micro - 1/2" if clip.length > 40 else "Micro",
        _cell(clip, order),
        emotion,
        4,
        "blinks" if clip.length % 7 == 0 else None,
    )


def _cell(clip: ClipPlan, order: Order) -> str | int:
    """The action units in the notation of SAMM: intensities, alternatives in brackets."""
    if not order.quirks:
        return micro.cell(clip)
    rng = seeds.generator("synthetic", "samm", "row", clip.key, order.seed)
    kind = rng.random()
    words = [unit.text for unit in clip.units]
    if kind < 0.25:
        words[-1] += str(rng.choice(["A", "B", "A/B"]))
    elif kind < 0.4 and len(words) > 1:
        words[:2] = [f"({words[0]} or {words[1]})" if len(words) > 2 else f"{words[0]} or {words[1]}"]
    text = "+".join(words)
    return int(text) if text.isdigit() else text


LAYOUT = Layout(
    name="samm", people="samm", releases=("v2", "clean"), camera=camera, plan=plan, annotate=annotate
)

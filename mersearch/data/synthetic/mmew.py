"""The layout of MMEW's micro half: frames that start at 1 in every clip, folders by emotion or by subject."""

from __future__ import annotations

from pathlib import Path

from mersearch import seeds
from mersearch.data.synthetic import cameras, labels, micro, workbook
from mersearch.data.synthetic.census import Census
from mersearch.data.synthetic.plan import Camera, ClipPlan, Layout, Order

WORKBOOK = "MMEW_Micro_Exp.xlsx"
COLUMNS = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "remarks",
)
CODES = {
    "happiness": "01",
    "surprise": "02",
    "disgust": "03",
    "others": "04",
    "fear": "05",
    "sadness": "06",
    "anger": "07",
}
"""Emotion → its number in the name of a clip."""
CENSUS = Census(
    layout="mmew",
    counts=labels.MMEW_COUNTS,
    subject="S{:02d}".format,
    numbers=tuple(range(1, 31)),
    scored=("happiness", "surprise", "disgust", "others"),
    core=("happiness", "surprise", "disgust"),
    mean=10.0,
    spread=0.6,
    most=30,
    known={
        "S29": {"surprise": 5},
        "S30": {"surprise": 12, "disgust": 9, "others": 9, "happiness": 5, "fear": 2, "anger": 1},
    },
)
FAULTY = 0.053
"""Share of rows whose apex or offset lies outside the clip (about 16 of 300 in MMEW)."""


def camera(order: Order) -> Camera:
    """The whole frame: 384×216 pixels at size 1 (the real frames are 1920×1080)."""
    return cameras.room(round(384 * order.size), round(216 * order.size), grey=False)


def plan(order: Order) -> tuple[ClipPlan, ...]:
    """Every clip of the database, by subject."""
    return tuple(
        clip for subject, mine in CENSUS.given(order).items() for clip in _subject(order, subject, mine)
    )


def written(emotion: str, release: str) -> str:
    """A class as a release writes it: folders by subject come with `repression` for the class 04."""
    return "repression" if emotion == "others" and release == "subject-first" else emotion


def annotate(root: Path, clips: tuple[ClipPlan, ...], order: Order) -> None:
    """Write the workbook."""
    rows = [COLUMNS, *(_row(clip, order, count) for count, clip in enumerate(clips))]
    workbook.write(root / WORKBOOK, {"Sheet1": rows})


def _subject(order: Order, subject: str, emotions: list[str]) -> list[ClipPlan]:
    rng = seeds.generator("synthetic", "mmew", "subject", subject, order.seed)
    clips, seen = [], dict.fromkeys(CODES, 0)
    for emotion in emotions:
        seen[emotion] += 1
        name = f"{subject}-{CODES[emotion]}-{seen[emotion]:03d}"
        label = written(emotion, order.release)
        place = f"{subject}/{label}" if order.release == "subject-first" else label
        frames = f"Micro_Expression/{place}/{name}/{{}}.jpg"
        cells = labels.MICRO_UNITS[emotion]
        clips.append(micro.clip("mmew", order, (subject, name), label, cells, frames, rng, first=(1, 2)))
    return clips


def _row(clip: ClipPlan, order: Order, count: int) -> workbook.Row:
    rng = seeds.generator("synthetic", "mmew", "row", clip.key, order.seed)
    apex, offset = 1 + clip.apex, clip.length
    if order.quirks and (count == 0 or rng.random() < FAULTY):
        apex = offset + 9
        offset += 5 if rng.random() < 0.5 else 0
    return (clip.subject, clip.name, 1, apex, offset, micro.cell(clip), clip.emotion, None)


LAYOUT = Layout(
    name="mmew",
    people="mmew",
    releases=("emotion-first", "subject-first"),
    camera=camera,
    plan=plan,
    annotate=annotate,
)

"""The layout of MMEW's macro half: stills of the people of the micro half, five of each of six emotions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic import cameras, identity, labels, mmew
from mersearch.data.synthetic.ckplus import PEAK
from mersearch.data.synthetic.motion import Unit
from mersearch.data.synthetic.plan import Camera, ClipPlan, Layout, Order

STILLS = 5
"""Of a person and an emotion."""
EMOTIONS = {"anger": "anger", "disgust": "disgust", "fear": "fear", "happiness": "happy"}
EMOTIONS |= {"sadness": "sadness", "surprise": "surprise"}
"""Class → class of CK+ whose action units it shows."""


def camera(order: Order) -> Camera:
    """As the micro half is filmed."""
    width, height = round(384 * order.size), round(216 * order.size)
    return cameras.room(width, height, grey=False, kind="still")


def plan(order: Order) -> tuple[ClipPlan, ...]:
    """Every still, by subject; with `clips`, the first of each emotion of each person first."""
    people = mmew.CENSUS.people(len(mmew.CENSUS.numbers) if order.full else order.subjects)
    stills = [
        (subject, emotion, count)
        for count in range(1, STILLS + 1)
        for emotion in EMOTIONS
        for subject in people
    ]
    limit = None if order.full else order.clips
    return tuple(_still(order, *still) for still in sorted(stills[:limit]))


def annotate(root: Path, clips: tuple[ClipPlan, ...], order: Order) -> None:
    """Write the stray file of a picture browser; the folders are the annotation."""
    if order.quirks:
        (root / clips[0].frames).with_name("Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")


def _still(order: Order, subject: str, emotion: str, count: int) -> ClipPlan:
    name = f"{subject}-{mmew.CODES[emotion]}-{count:03d}"
    rng = seeds.generator("synthetic", "mmew_macro", "still", name, order.seed)
    expressivity = identity.draw("mmew", subject, order.seed).expressivity ** 0.5
    cell = labels.sides(labels.draw_cell(labels.CKPLUS_UNITS[EMOTIONS[emotion]], rng))
    gains = [expressivity * np.exp(0.18 * rng.standard_normal()) / order.difficulty**0.25 for _ in cell]
    units = tuple(
        Unit(number, side, round(float(np.clip(gain, 0.5, 1.6) * PEAK[number]), 3))
        for (number, side), gain in zip(cell, gains, strict=True)
    )
    place = emotion if order.release == "emotion-first" else f"{subject}/{emotion}"
    return ClipPlan(subject, name, emotion, units, (), 1, 1, 0, f"Macro_Expression/{place}/{name}.jpg")


LAYOUT = Layout(
    name="mmew_macro",
    people="mmew",
    releases=("subject-first", "emotion-first"),
    camera=camera,
    plan=plan,
    annotate=annotate,
)

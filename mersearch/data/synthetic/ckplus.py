"""The layout of CK+: sequences from neutral to the peak, full frames, annotation in small text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic import identity, labels, population
from mersearch.data.synthetic.motion import Unit
from mersearch.data.synthetic.plan import Camera, ClipPlan, Layout, Order

LABELLED = 0.55
"""Share of sequences with an emotion (327 of 593 in CK+)."""
_LITTER = b"\x00\x00\x00\x01Bud1"
PEAK = {
    1: 4.5,
    2: 4.0,
    4: 4.5,
    5: 2.5,
    6: 4.0,
    7: 2.2,
    9: 4.5,
    10: 4.5,
    12: 7.0,
    14: 4.0,
    15: 4.5,
    17: 4.5,
    20: 5.0,
}
PEAK |= {23: 2.5, 24: 2.5, 25: 4.5, 26: 7.0, 27: 13.0}
"""Typical largest displacement of an action unit at its peak, in pixels at 128."""


def camera(size: float) -> Camera:
    """The full frame: 320×245 pixels at size 1 (the real frames are 640×490), the face in a part of it."""
    width, height = round(320 * size), round(245 * size)
    zoom = 0.200 * width
    return Camera(
        width=width,
        height=height,
        zoom=(zoom, zoom),
        centre=(0.5 * width, 0.43 * height),
        wander=(0.035 * width, 0.06),
        area=(2.95, -2.15, 2.75),
        grey=True,
        drift=1.2,
        kind="macro",
    )


def plan(order: Order) -> tuple[ClipPlan, ...]:
    """Every sequence of the database, by subject."""
    rng = seeds.generator("synthetic", "ckplus", "population", order.seed)
    sizes = population.subject_sizes(order.subjects, order.clips, mean=4.8, spread=0.4, most=11, rng=rng)
    labelled = round(LABELLED * sum(sizes))
    classes = population.class_sizes(labels.CKPLUS_COUNTS, labelled, dict.fromkeys(labels.CKPLUS_COUNTS, 1))
    given = population.assign(sizes, {**classes, "": sum(sizes) - labelled}, (), habit=3.0, rng=rng)
    numbers = np.sort(
        rng.choice(np.arange(5, max(140, 5 + 2 * order.subjects)), order.subjects, replace=False)
    )
    clips = [c for n, mine in zip(numbers, given, strict=True) for c in _subject(order, f"S{n:03d}", mine)]
    return tuple(clips)


def annotate(root: Path, clips: tuple[ClipPlan, ...], order: Order) -> None:
    """Write the files of emotions and action units, empty folders where there is no label, and some litter."""
    codes = {name: i + 1 for i, name in enumerate(labels.CKPLUS_COUNTS)}
    for clip in clips:
        stem = f"{clip.subject}_{clip.name}_{clip.first + clip.length - 1:08d}"
        emotion, facs = (root / kind / clip.subject / clip.name for kind in ("Emotion", "FACS"))
        for folder in (emotion, facs):
            folder.mkdir(parents=True, exist_ok=True)
        if clip.emotion is not None:
            (emotion / f"{stem}_emotion.txt").write_text(f"   {codes[clip.emotion]:.7e}\n")
        rows = [f"   {unit.number:.7e}   {_intensity(unit):.7e}\n" for unit in clip.units]
        (facs / f"{stem}_facs.txt").write_text("".join(rows))
    if order.quirks:
        first = (root / clips[0].frames).parent
        for folder in (root / "Emotion", first, first.parent):
            (folder / ".DS_Store").write_bytes(_LITTER)


def _subject(order: Order, subject: str, emotions: list[str]) -> list[ClipPlan]:
    rng = seeds.generator("synthetic", "ckplus", "subject", subject, order.seed)
    expressivity = identity.draw("ckplus", subject, order.seed).expressivity ** 0.5
    clips = []
    for i, emotion in enumerate(emotions):
        name, length = f"{i + 1:03d}", int(rng.integers(8, 21))
        shown = emotion or str(rng.choice(list(labels.CKPLUS_UNITS)))
        cell = labels.sides(labels.draw_cell(labels.CKPLUS_UNITS[shown], rng))
        gains = [expressivity * np.exp(0.18 * rng.standard_normal()) / order.difficulty**0.25 for _ in cell]
        units = tuple(
            Unit(number, side, round(float(np.clip(gain, 0.5, 1.6) * PEAK[number]), 3))
            for (number, side), gain in zip(cell, gains, strict=True)
        )
        frames = f"cohn-kanade-images/{subject}/{name}/{subject}_{name}_{{:08d}}.png"
        clips.append(ClipPlan(subject, name, emotion or None, units, (), 1, length, length - 1, frames))
    return clips


def _intensity(unit: Unit) -> int:
    """1…5 for A…E; 0 says that the unit is there and its intensity was not coded."""
    share = unit.amplitude / PEAK[unit.number]
    return 0 if unit.number == 25 else int(np.clip(round(3.2 * share), 1, 5))


LAYOUT = Layout(
    name="ckplus",
    people="ckplus",
    releases=("2010",),
    camera=lambda order: camera(order.size),
    plan=plan,
    annotate=annotate,
)

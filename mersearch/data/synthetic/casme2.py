"""The layout of CASME II, cropped frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic import identity, labels, population, workbook
from mersearch.data.synthetic.geometry import BOTTOM, LEFT, RIGHT, TOP
from mersearch.data.synthetic.motion import Side, Unit
from mersearch.data.synthetic.plan import Camera, ClipPlan, Layout, Order

WORKBOOK = "CASME2-coding-20140508.xlsx"
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
MICRO_AMPLITUDE = 0.85
"""Median of the largest displacement of an action unit at the default difficulty, in pixels at 128."""
UNREST = 0.55
"""Scale of the motion that no coder marks, at the default difficulty, in pixels at 128."""

_RESTLESS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 20)
_SIDES: tuple[Side, ...] = ("both", "left", "right")
_FIVE = ("happiness", "disgust", "repression", "surprise", "others")
_REAL_ODDITIES = frozenset(
    {"04/EP12_01f", "05/EP09_05f", "05/EP16_04f", "09/EP02_02f", "24/EP02_07", "16/EP01_08"}
)
"""Clips of the real database that need a repair, so no synthetic clip may bear their name by chance."""
_NO_APEX = "EP12_01f"
"""The clip of subject 04 whose apex the real workbook gives as `/`."""


def camera(size: float) -> Camera:
    """The face crop: 140×170 pixels at size 1 (the real crops are about 280×340)."""
    width, height = round(140 * size), round(170 * size)
    zoom = (width / (RIGHT - LEFT), height / (BOTTOM - TOP))
    return Camera(
        width=width,
        height=height,
        zoom=zoom,
        centre=(-LEFT * zoom[0], -TOP * zoom[1]),
        wander=(0.015 * width, 0.0),
        area=(1.15, -1.05, 1.75),
        grey=False,
        drift=0.7,
        kind="micro",
    )


def plan(order: Order) -> tuple[ClipPlan, ...]:
    """Every clip of the database, by subject."""
    rng = seeds.generator("synthetic", "casme2", "population", order.seed)
    sizes = population.subject_sizes(order.subjects, order.clips, mean=9.8, spread=0.78, most=35, rng=rng)
    least = dict.fromkeys(_FIVE, 2)
    if order.subjects >= 4:
        least["sadness"] = 1
    classes = population.class_sizes(labels.CASME2_COUNTS, sum(sizes), least)
    given = population.assign(sizes, classes, _FIVE, habit=0.7, rng=rng)
    subjects = [f"{i + 1:02d}" for i in range(order.subjects)]
    clips = [c for s, mine in zip(subjects, given, strict=True) for c in _subject(order, s, mine)]
    return tuple(clips)


def annotate(root: Path, clips: tuple[ClipPlan, ...], order: Order) -> None:
    """Write the workbook, and the stray file that the real folders hold."""
    rows = [list(COLUMNS)] + [_row(clip, order) for clip in clips]
    workbook.write(root / WORKBOOK, {"Sheet1": rows, "Sheet2": [], "Sheet3": []})
    if order.quirks:
        folder = (root / clips[len(clips) // 2].frames).parent
        (folder / "reg_img - Shortcut.lnk").write_bytes(b"L\x00\x00\x00")


def _subject(order: Order, subject: str, emotions: list[str]) -> list[ClipPlan]:
    rng = seeds.generator("synthetic", "casme2", "subject", subject, order.seed)
    expressivity = identity.draw("casme2", subject, order.seed).expressivity
    clips, names = [], _names(subject, len(emotions), order, rng)
    for name, emotion in zip(names, emotions, strict=True):
        length = int(rng.integers(25, 46))
        clip_gain = (
            MICRO_AMPLITUDE * expressivity * np.exp(0.3 * rng.standard_normal()) / order.difficulty**0.5
        )
        cell = labels.sides(labels.draw_cell(labels.CASME2_UNITS[emotion], rng))
        gains = [clip_gain * np.exp(0.3 * rng.standard_normal()) for _ in cell]
        units = tuple(
            Unit(number, side, round(float(np.clip(gain, 0.2, 3.0)), 3))
            for (number, side), gain in zip(cell, gains, strict=True)
        )
        clips.append(
            ClipPlan(
                subject=subject,
                name=name,
                emotion=emotion,
                units=units,
                incidental=_incidental(order, f"{subject}/{name}"),
                first=int(rng.integers(20, 300)),
                length=length,
                apex=round(length * rng.uniform(0.35, 0.6)),
                frames=f"Cropped/sub{subject}/{name}/reg_img{{}}.jpg",
            )
        )
    return clips


def _incidental(order: Order, key: str) -> tuple[Unit, ...]:
    rng = seeds.generator("synthetic", "casme2", "incidental", key, order.seed)
    numbers = rng.choice(_RESTLESS, size=2, replace=False)
    sides: list[Side] = [_SIDES[int(rng.integers(3))] for _ in numbers]
    sizes = np.minimum(np.abs(rng.standard_normal(2)) * UNREST * order.difficulty, 2.0)
    return tuple(Unit(int(n), s, round(float(a), 3)) for n, s, a in zip(numbers, sides, sizes, strict=True))


def _names(subject: str, count: int, order: Order, rng: np.random.Generator) -> list[str]:
    """`EP02_01f`: the film that was watched, the count within it, `f` on most."""
    names, seen = [], {f"{film:02d}": 0 for film in range(1, 20)}
    if _no_apex(order, subject, _NO_APEX):
        names.append(_NO_APEX)
    while len(names) < count:
        film = f"{int(rng.integers(1, 20)):02d}"
        seen[film] += 1
        name = f"EP{film}_{seen[film]:02d}" + ("f" if rng.random() < 0.85 else "")
        if f"{subject}/{name}" not in _REAL_ODDITIES and not _no_apex(order, subject, name):
            names.append(name)
    return names


def _no_apex(order: Order, subject: str, name: str) -> bool:
    return order.quirks and name == _NO_APEX and subject == ("04" if order.subjects >= 4 else "01")


def _row(clip: ClipPlan, order: Order) -> list[str | int | None]:
    rng = seeds.generator("synthetic", "casme2", "row", clip.key, order.seed)
    text = "+".join(unit.text for unit in clip.units)
    cell: str | int = int(text) if text.isdigit() else text
    if order.quirks and rng.random() < 0.02:
        cell = "?"
    apex: str | int = "/" if _no_apex(order, clip.subject, clip.name) else clip.first + clip.apex
    offset = clip.first + clip.length - 1
    return [clip.subject, clip.name, None, clip.first, apex, offset, None, cell, clip.emotion]


LAYOUT = Layout(name="casme2", camera=camera, plan=plan, annotate=annotate)

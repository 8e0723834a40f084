"""A manifest of invented people of whom only flow is left: arrays of u, v and strain, and no frames."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mersearch import seeds
from mersearch.data.files import ABOUT
from mersearch.data.flow import Floats, features
from mersearch.data.synthetic import identity, labels, micro, motion
from mersearch.data.synthetic.census import Census
from mersearch.data.synthetic.noise import clouds
from mersearch.data.synthetic.plan import ClipPlan, Order
from mersearch.data.synthetic.whole import require_empty, whole
from mersearch.errors import DataError

NAME = "manifest"
FULL = 68
"""People of the published composite, who have 442 clips."""
SCALE = 3.0
"""`flow_scale`, in pixels of a face 128 wide."""
NOISE, DRIFT = 0.25, 0.4
"""Spread of the noise of the flow, and of the head's motion, in pixels at 128."""
COLUMNS = ("clip_id", "subject", "emotion", "action_units", "flow", "flow_scale", "strain_scale")
CENSUS = Census(
    layout=NAME,
    counts={"negative": 250, "positive": 109, "surprise": 83},
    subject="p{:02d}".format,
    numbers=tuple(range(1, FULL + 1)),
    scored=("negative", "positive", "surprise"),
    core=("negative", "positive", "surprise"),
    mean=6.5,
    spread=0.7,
    most=39,
)
"""Classes and sizes of the MEGC 2019 composite."""


@dataclass(frozen=True, slots=True)
class Maps:
    """What is written of a clip.

    Attributes:
        count: maps, from the onset to as many later instants.
        size: height and width in pixels.
    """

    count: int = 1
    size: int = 28


def synthesize_manifest(
    out: Path,
    *,
    subjects: int = 8,
    clips: int | None = None,
    seed: int = 0,
    difficulty: float = 1.0,
    maps: Maps | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `manifest.csv`, and the flow of every clip as `flow/<clip>.npy`, float32 [K, 3, S, S] ([3, S, S]: K = 1).

    The flow is that of action units as painted people move them, with motion that no coder marks, a moving head and
    noise. 68 people have, with `clips` None, the 442 clips of the published composite, class by class.

    Args:
        out: a new or empty folder.
        subjects: number of people, two or more.
        clips: number of clips in all; None for about 6.5 per person.
        seed: everything follows from it.
        difficulty: scales noise and other motion up, and the expressions down.
        maps: how much is written of a clip; one map of 28×28 by default.
        progress: called with (clips done, clips in all).

    Returns:
        `out`.

    Raises:
        DataError: an argument is out of its range, or `out` holds files or cannot be written.
        Interrupted: the disk is full, or an interrupt came.
    """
    order = Order(
        subjects, clips, seed, difficulty, quirks=False, size=1.0, full=clips is None and subjects == FULL
    )
    wanted = maps or Maps()
    _check(order, wanted)
    require_empty(out)
    plans = list(_plans(order))
    with whole(out):
        (out / "flow").mkdir()
        for done, plan in enumerate(plans, 1):
            np.save(out / _file(plan), _flow(plan, order, wanted))
            if progress is not None:
                progress(done, len(plans))
        _write_table(out, plans)
        (out / ABOUT).parent.mkdir()
        about = {"synthetic": True, "layout": NAME, **asdict(order), "maps": asdict(wanted)}
        (out / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    return out


def _check(order: Order, maps: Maps) -> None:
    clips = order.subjects if order.clips is None else order.clips
    rules = (
        ("subjects", order.subjects, 2),
        ("clips", clips, order.subjects),
        ("maps", maps.count, 1),
        ("size", maps.size, 8),
    )
    for name, value, least in rules:
        if value < least:
            raise DataError(f"{name} is at least {least}", received=str(value))
    if not 0.1 <= order.difficulty <= 10:
        raise DataError("difficulty lies between 0.1 and 10", received=str(order.difficulty))


def _plans(order: Order) -> Iterator[ClipPlan]:
    for subject, emotions in CENSUS.given(order).items():
        rng = seeds.generator("synthetic", NAME, "subject", subject, order.seed)
        for place, emotion in enumerate(emotions, 1):
            cells, name = labels.MICRO_UNITS[emotion], f"{subject}_{place:02d}"
            yield micro.clip(NAME, order, (subject, name), emotion, cells, "", rng)


def _file(plan: ClipPlan) -> str:
    return f"flow/{plan.name}.npy"


def _write_table(out: Path, plans: list[ClipPlan]) -> None:
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for plan in plans:
            table.writerow(
                (plan.name, plan.subject, plan.emotion, micro.cell(plan), _file(plan), SCALE, 0.25)
            )


def _flow(plan: ClipPlan, order: Order, maps: Maps) -> Floats:
    person = identity.draw(NAME, plan.subject, order.seed)
    rng = seeds.generator("synthetic", NAME, "flow", plan.key, order.seed)
    moved = motion.forward(person, plan.moving, maps.size)
    head = DRIFT * order.difficulty * rng.standard_normal((2, 1, 1))
    strength = np.sin(np.pi * np.arange(1, maps.count + 1) / (maps.count + 1))
    made = [
        features(_noisy(share * (moved + head), order, rng), maps.size, 128)
        for share in strength / strength.max()
    ]
    return made[0] if maps.count == 1 else np.stack(made)


def _noisy(flow: Floats, order: Order, rng: np.random.Generator) -> Floats:
    """Flow in pixels of the map, so that strain has no unit."""
    size = flow.shape[-1]
    noise = np.stack([clouds(rng, (size, size), 2.0) for _ in range(2)])
    pixels: Floats = ((flow + NOISE * order.difficulty * noise) * size / 128).astype(np.float32)
    return pixels

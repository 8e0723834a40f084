"""What one clip of a micro-expression shows: action units in the way of its class, and what no coder marks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mersearch import seeds
from mersearch.data.synthetic import identity, labels
from mersearch.data.synthetic.motion import Side, Unit
from mersearch.data.synthetic.plan import ClipPlan, Order

AMPLITUDE = 0.85
"""Median of the largest displacement of an action unit at the default difficulty, in pixels at 128."""
UNREST = 0.55
"""Scale of the motion that no coder marks, at the default difficulty, in pixels at 128."""
HABITS = 2
"""Habitual motions of a person."""
LENGTHS, SHORT = (25, 46), (12, 16)
"""Frames of a clip, from the first number to below the second; short ones where only label files are wanted."""

_RESTLESS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 20)
_SIDES: tuple[Side, ...] = ("both", "left", "right")


def clip(
    layout: str,
    order: Order,
    key: tuple[str, str],
    emotion: str,
    cells: Mapping[str, int],
    frames: str,
    rng: np.random.Generator,
    first: tuple[int, int] = (20, 300),
) -> ClipPlan:
    """The plan of one clip.

    Args:
        layout: whose people; a part of the seeds.
        order: what the user asked for.
        key: subject and name.
        emotion: the class, as the label file writes it.
        cells: action-unit cells of the class, with weights.
        frames: path of a frame, with `{}` for its number.
        rng: of the subject.
        first: range of the number of the first frame, the end excluded.
    """
    subject, name = key
    expressivity = identity.draw(layout, subject, order.seed).expressivity
    length = int(rng.integers(*(SHORT if order.full else LENGTHS)))
    gain = AMPLITUDE * expressivity * np.exp(0.3 * rng.standard_normal()) / order.difficulty**0.5
    cell = labels.sides(labels.draw_cell(cells, rng))
    gains = [gain * np.exp(0.3 * rng.standard_normal()) for _ in cell]
    units = tuple(
        Unit(number, side, round(float(np.clip(one, 0.2, 3.0)), 3))
        for (number, side), one in zip(cell, gains, strict=True)
    )
    return ClipPlan(
        subject=subject,
        name=name,
        emotion=emotion,
        units=units,
        incidental=_incidental(layout, order, f"{subject}/{name}"),
        habitual=_habitual(layout, order, subject, name),
        first=int(rng.integers(*first)),
        length=length,
        apex=round(length * rng.uniform(0.35, 0.6)),
        frames=frames,
    )


def cell(clip: ClipPlan) -> str | int:
    """The action units as most label files write them: a number where there is one, else text such as `4+L10`."""
    text = "+".join(unit.text for unit in clip.units)
    return int(text) if text.isdigit() else text


def _incidental(layout: str, order: Order, key: str) -> tuple[Unit, ...]:
    rng = seeds.generator("synthetic", layout, "incidental", key, order.seed)
    numbers = rng.choice(_RESTLESS, size=2, replace=False)
    sides: list[Side] = [_SIDES[int(rng.integers(3))] for _ in numbers]
    sizes = np.minimum(np.abs(rng.standard_normal(2)) * UNREST * order.difficulty, 2.0)
    return tuple(Unit(int(n), s, round(float(a), 3)) for n, s, a in zip(numbers, sides, sizes, strict=True))


def _habitual(layout: str, order: Order, subject: str, name: str) -> tuple[Unit, ...]:
    if not order.habits:
        return ()
    own = seeds.generator("synthetic", layout, "habits", subject, order.seed)
    numbers = own.choice(_RESTLESS, size=HABITS, replace=False)
    sides: list[Side] = [_SIDES[int(own.integers(3))] for _ in numbers]
    rng = seeds.generator("synthetic", layout, "habits", subject, name, order.seed)
    sizes = np.minimum(order.habits * np.exp(0.3 * rng.standard_normal(HABITS)), 3.0)
    return tuple(Unit(int(n), s, round(float(a), 3)) for n, s, a in zip(numbers, sides, sizes, strict=True))

"""What is true of the clips, kept beside the database. Readers never look here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mersearch.data.files import ABOUT
from mersearch.data.synthetic import motion
from mersearch.data.synthetic.course import Course
from mersearch.data.synthetic.geometry import Array
from mersearch.data.synthetic.identity import Identity
from mersearch.data.synthetic.plan import ClipPlan, Order

GRID = 56


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one clip.

    Attributes:
        record: the line of `clips.jsonl`.
        motion: displacement between onset and apex by the action units alone (no head, no blink, nothing
            incidental or habitual), float32 [2, 56, 56] (u, v) in pixels at 128 on the aligned face.
    """

    record: dict[str, Any]
    motion: Array


def of_clip(person: Identity, clip: ClipPlan, course: Course) -> Truth:
    """Gather the truth about one clip."""
    shut = np.flatnonzero(course.lids < 0.99)
    record = {
        "clip": clip.key,
        "subject": clip.subject,
        "emotion": clip.emotion,
        "action_units": [asdict(unit) for unit in clip.units],
        "onset": clip.first,
        "apex": clip.first + clip.apex,
        "offset": clip.first + clip.length - 1,
        "incidental": [asdict(unit) for unit in clip.incidental],
        "habitual": [asdict(unit) for unit in clip.habitual],
        "strength": np.round(course.strength, 4).tolist(),
        "head": np.round(course.pose, 5).tolist(),
        "blink": [clip.first + int(shut[0]), clip.first + int(shut[-1])] if len(shut) else None,
    }
    return Truth(record, motion.forward(person, clip.units, GRID))


def write(
    root: Path, layout: str, order: Order, truths: Sequence[Truth], people: Mapping[str, Identity]
) -> None:
    """Write `about.json`, `clips.jsonl`, `subjects.jsonl` and `motion.npz` (one float16 array per clip)."""
    folder = (root / ABOUT).parent
    folder.mkdir()
    about = {"synthetic": True, "layout": layout, **asdict(order)}
    (root / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
    lines = [json.dumps(truth.record) for truth in truths]
    (folder / "clips.jsonl").write_text("\n".join(lines) + "\n")
    lines = [json.dumps({"subject": name, **asdict(person)}) for name, person in people.items()]
    (folder / "subjects.jsonl").write_text("\n".join(lines) + "\n")
    fields = {str(truth.record["clip"]): truth.motion.astype(np.float16) for truth in truths}
    np.savez_compressed(folder / "motion.npz", allow_pickle=False, **fields)

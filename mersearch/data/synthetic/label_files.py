"""Label files of the published size, with frames that are there and show nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mersearch.data.synthetic.layouts import LAYOUTS, require_layout
from mersearch.data.synthetic.plan import Order
from mersearch.data.synthetic.whole import require_empty, whole
from mersearch.errors import DataError


def synthesize_labels(
    out: Path, layout: str, *, release: str | None = None, seed: int = 0, quirks: bool = True
) -> Path:
    """Write label files with as many people, and as many clips of each class, as the published ones have.

    Every frame is the same tiny grey picture: readers find and count them, and nothing can be learned from them.

    Args:
        out: the database root; must not exist or be empty.
        layout: a key of `LAYOUTS` other than `ckplus`, of which no size is published file by file.
        release: one of the layout's releases; None for the first.
        seed: who has which clips.
        quirks: whether the oddities of the real files are reproduced.

    Returns:
        `out`.

    Raises:
        DataError: there is no such layout or release, or `out` holds files or cannot be written.
        Interrupted: the disk is full, or an interrupt came.
    """
    _, release = require_layout(layout, release)
    if layout == "ckplus":
        fix = "write pictures too: leave --labels-only out"
        raise DataError("the label files of CK+ are not written alone", received=layout, fix=fix)
    write_labels(out, layout, Order(0, None, seed, 1.0, quirks, 1.0, release, full=True))
    return out


def write_labels(out: Path, layout: str, order: Order) -> None:
    """Write label files and frames that show nothing, of the people and clips that `order` asks for.

    Raises as `synthesize_labels` does.
    """
    require_empty(out)
    clips = LAYOUTS[layout].plan(order)
    grey = np.full((16, 16), 128, np.uint8)
    with whole(out):
        for clip in clips:
            (out / clip.frames).parent.mkdir(parents=True, exist_ok=True)
            content = cv2.imencode(Path(clip.frames).suffix, grey)[1].tobytes()
            for path in clip.paths:
                (out / path).write_bytes(content)
        LAYOUTS[layout].annotate(out, clips, order)

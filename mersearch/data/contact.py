"""What a contact sheet shows of a database: a few clips of every class, with their crop, flow and regions.

Computed as preprocessing computes it, so that a wrong crop is seen before anything is trained on it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mersearch.counted import counted
from mersearch.data.action_units import columns, regions
from mersearch.data.align import Face, Image, align, crop
from mersearch.data.faces import faces_of
from mersearch.data.flow import Floats, features, optical_flow
from mersearch.data.given import Given
from mersearch.data.pictures import opened
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Clip, Database
from mersearch.errors import ConfigError, DataError

LONGEST = 320
"""Pixels of the longer side of a whole frame on the sheet."""
SIZE = 168
"""Pixels of a crop on the sheet; flow has half of them."""
FULL_COLOUR = {"micro": 1.5, "macro": 6.0}
"""Displacement that is shown in full colour, in pixels of a face `preprocess.face_size` wide."""
TERMS = {
    "casme2": "CASME II is licensed by its authors (Institute of Psychology, Chinese Academy of Sciences)",
    "samm": "SAMM is licensed by its authors (Manchester Metropolitan University)",
    "mmew": "MMEW is licensed by its authors (Ben et al., dpailab.com)",
    "mmew_macro": "MMEW is licensed by its authors (Ben et al., dpailab.com)",
    "smic": "SMIC is licensed by its authors (University of Oulu)",
    "ckplus": "CK+ is licensed by its authors (University of Pittsburgh)",
}
"""Who hands a database out."""
RULE = (
    "Pictures of people: keep this sheet where the database may be, publish only what its agreement allows."
)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One clip.

    Attributes:
        clip: as it was read.
        frame: the whole onset frame, uint8 [H, W, 3] in red, green, blue.
        outline: corners of the crop in pixels of `frame`, [4, 2] (x, y), clockwise from the top left.
        onset: crop of the onset frame, uint8 [S, S, 3]; the sheet stretches it to a portrait.
        apex: crop of the apex frame.
        flow: motion from onset to apex less that of the head, as colours, uint8 [S / 2, S / 2, 3].
        head: length of the median motion over the inner face, in pixels of a face `preprocess.face_size` wide.
        regions: the apex with the regions of the annotated action units in red, uint8 [S, S, 3].
        note: what the alignment could not do, else empty.
    """

    clip: Clip
    frame: Image
    outline: NDArray[np.float64]
    onset: Image
    apex: Image
    flow: Image
    head: float
    regions: Image
    note: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that is drawn.

    Attributes:
        title: what is shown.
        rows: class, its clips in the database, and the panels.
        wheel: what a colour of the flow means, uint8 [n, n, 3]: direction and length of the motion.
        full: displacement in full colour, in pixels of a face `face` wide.
        face: width of that face.
        terms: who may see the sheet.
        stills: whether every clip of the database is one picture, in which nothing moves.
        given_flow: whether a clip of the database brings its flow, which the sheet does not show.
    """

    title: str
    rows: tuple[tuple[str, int, tuple[Panel, ...]], ...]
    wheel: Image
    full: float
    face: int
    terms: str
    stills: bool
    given_flow: bool


def contact_sheet(
    given: Given, settings: Preprocess, *, clips: int, progress: Callable[[int, int], None]
) -> Sheet:
    """The sheet of a database.

    Args:
        given: the database.
        settings: those of preprocessing; how faces are found is what matters.
        clips: of each class; of as many people as there are.
        progress: called with panels done and in all.

    Raises:
        ConfigError: no clip is asked for.
        DataError: there are no frames, or a frame or a landmark file cannot be read.
    """
    if clips < 1:
        raise ConfigError("a contact sheet shows at least one clip of a class", received=str(clips))
    database = given.database
    if "rgb" not in database.views:
        raise DataError("a contact sheet shows frames", received=f"{database.name}: clips of flow only")
    chosen = {
        name: _chosen([c for c in database.clips if c.emotion == name], clips) for name in database.classes
    }
    shown = _only(database, {clip.clip_id for some in chosen.values() for clip in some})
    faces, notes = faces_of(shown, settings)
    missing = {note.clip_id: note.reason for note in notes}
    panels: dict[str, Panel] = {}
    progress(0, len(shown.clips))
    for clip, face in zip(shown.clips, faces, strict=True):
        panels[clip.clip_id] = _panel(clip, face, settings, missing.get(clip.clip_id, ""))
        progress(len(panels), len(shown.clips))
    counts = database.counts()
    full = FULL_COLOUR[database.clips[0].kind]
    return Sheet(
        title=_title(given),
        rows=tuple(
            (name, counts[name], tuple(panels[c.clip_id] for c in some)) for name, some in chosen.items()
        ),
        wheel=_wheel(),
        full=full,
        face=settings.face_size,
        terms=_terms(given),
        stills=all(clip.onset == clip.offset for clip in database.clips),
        given_flow=any(clip.flow is not None for clip in database.clips),
    )


def _chosen(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Clips in an order that is always the same and favours nobody, of other people first."""
    shuffled = sorted(clips, key=lambda clip: hashlib.sha256(clip.clip_id.encode()).hexdigest())
    seen: dict[str, int] = {}
    turn: list[tuple[int, int, Clip]] = []
    for clip in shuffled:
        turn.append((seen.setdefault(clip.subject, 0), len(turn), clip))
        seen[clip.subject] += 1
    return [clip for _, _, clip in sorted(turn, key=lambda entry: entry[:2])[:count]]


def _only(database: Database, ids: set[str]) -> Database:
    return dataclasses.replace(
        database,
        clips=tuple(clip for clip in database.clips if clip.clip_id in ids),
        parts=tuple(_only(part, ids) for part in database.parts),
    )


def _panel(clip: Clip, face: Face, settings: Preprocess, missing: str) -> Panel:
    with opened(clip) as read:
        first = read(clip.onset)
        last = first if clip.apex == clip.onset else read(clip.apex)
    transform, note = align(first, face)
    neutral, peak = (crop(image, transform, settings.flow_size) for image in (first, last))
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8) for image in (neutral, peak)]
    motion = features(optical_flow(*grey), min(SIZE // 2, settings.flow_size), settings.face_size)[:2]
    inner = slice(motion.shape[1] // 5, -(motion.shape[1] // 5))
    head = np.median(motion[:, inner, inner], axis=(1, 2))
    height, width = first.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    linear = np.vstack([transform, [0, 0, 1]])
    corners = np.linalg.inv(linear) @ np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]])
    return Panel(
        clip=clip,
        frame=_rgb(first, round(width * scale), round(height * scale)),
        outline=(corners[:2] * scale - 0.5).T,
        onset=_rgb(neutral, SIZE, SIZE),
        apex=_rgb(peak, SIZE, SIZE),
        flow=flow_colours((motion - head[:, None, None]) / FULL_COLOUR[clip.kind]),
        head=float(np.hypot(*head)),
        regions=_regions(_rgb(peak, SIZE, SIZE), clip),
        note="; ".join(text for text in (missing, note or "") if text),
    )


def _rgb(image: Image, width: int, height: int) -> Image:
    sized = cv2.resize(image, (max(1, width), max(1, height)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(sized, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def flow_colours(flow: Floats) -> Image:
    """A flow [2, S, S] as colours, uint8 [S, S, 3].

    The hue is its direction (red: to the right of the image, hues go round clockwise), white is no motion, a length
    of 1 and more is the full colour.
    """
    u, v = flow
    hue = np.degrees(np.arctan2(v, u)) % 360 / 2
    length = np.clip(np.hypot(u, v), 0, 1)
    hsv = np.stack([np.minimum(hue, 179), 255 * length, np.full_like(u, 255)], axis=-1)
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), dtype=np.uint8)


def _wheel(size: int = 96) -> Image:
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    u, v = np.meshgrid(axis, axis)
    colours = flow_colours(np.stack([u, v]))
    colours[np.hypot(u, v) > 1] = 255
    return colours


def _regions(apex: Image, clip: Clip) -> Image:
    """The picture in grey, reddened where the annotated action units move the skin."""
    grey = np.repeat(apex.mean(axis=2, keepdims=True), 3, axis=2)
    marked = columns(clip.action_units)
    if not marked.any():
        return grey.astype(np.uint8)
    share = 0.6 * regions(len(apex))[marked].max(axis=0)[..., None]
    return np.asarray(grey * (1 - share) + np.array([213, 43, 30]) * share, dtype=np.uint8)


def _title(given: Given) -> str:
    database = given.database
    labels = f", {given.labels}" if given.labels else ""
    invented = " (synthetic)" if given.synthetic else ""
    count = f"{counted(len(database.clips), 'clip')} of {counted(len(database.subjects), 'subject')}"
    return f"{database.name}{invented}{labels}: {count}"


def _terms(given: Given) -> str:
    names = [part.name for part in given.database.sources]
    owners = [
        f"{name}: invented people" if name in given.synthetic else TERMS.get(name, f"{name}: ask its owner")
        for name in names
    ]
    rule = [] if given.synthetic >= set(names) else [RULE]
    return ". ".join([*dict.fromkeys(owners), *rule])

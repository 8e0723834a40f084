"""Writes a whole synthetic database to disk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import cv2

from mersearch import seeds
from mersearch.data.processes import begin, deaf
from mersearch.data.synthetic import course, head, identity, render, truth
from mersearch.data.synthetic.layouts import LAYOUTS, require_layout
from mersearch.data.synthetic.plan import ClipPlan, Order
from mersearch.data.synthetic.whole import require_empty, whole
from mersearch.errors import DataError

OVERSAMPLING = 2.0
"""Pixels of the painted face per pixel of the picture."""
NOISE = 1.8
"""Standard deviation of the sensor noise at difficulty 1, in grey levels."""
_BATCH = 10
_ENCODING = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 1]}


def synthesize(
    out: Path,
    layout: str,
    *,
    subjects: int,
    seed: int,
    difficulty: float = 1.0,
    clips: int | None = None,
    quirks: bool = True,
    size: float = 1.0,
    release: str | None = None,
    habits: float = 0.0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a database of invented people in the layout of a real one, with the truth in `<out>/truth`.

    The same arguments give the same bytes, with any number of workers. `out` holds the whole database, or nothing
    where the call does not come to its end.

    Args:
        out: the database root; must not exist or be empty.
        layout: a key of `LAYOUTS`.
        subjects: number of people.
        seed: everything follows from it; people of two layouts or seeds are different people, but `mmew` and
            `mmew_macro` film the same ones.
        difficulty: scales noise, drift, blinks and changes of light up and motion down; 0.5 is easy, 2 hard.
        clips: number of clips in all; None lets the real distribution of clips per subject decide.
        quirks: whether the oddities of the real files are reproduced.
        size: scale of the pictures; 2 is about the size of the real ones.
        release: one of the layout's releases; None for the first.
        habits: size, in pixels at 128, of two motions that each person of a micro-expression layout makes along
            with every expression and no coder marks: how strongly motion tells who it is. 0 = none.
        workers: processes to use.
        progress: called with (clips done, clips in all) in the calling process.

    Returns:
        `out`.

    Raises:
        DataError: an argument is out of its range, or `out` holds files or cannot be written.
        Interrupted: the disk is full, a worker was killed, or an interrupt came.
    """
    chosen, release = require_layout(layout, release)
    order = Order(subjects, clips, seed, difficulty, quirks, size, release, habits)
    _check(out, order, workers)
    clip_plans = chosen.plan(order)
    truths: list[truth.Truth] = []
    with whole(out), closing(_run(_batches(out, layout, order, clip_plans), workers)) as batches:
        for done in batches:
            truths += done
            if progress is not None:
                progress(len(truths), len(clip_plans))
        chosen.annotate(out, clip_plans, order)
        names = dict.fromkeys(clip.subject for clip in clip_plans)
        people = {name: identity.draw(chosen.people, name, seed) for name in names}
        truth.write(out, layout, order, truths, people)
    return out


@dataclass(frozen=True, slots=True)
class _Batch:
    """Clips of one subject, painted once."""

    out: Path
    layout: str
    order: Order
    clips: tuple[ClipPlan, ...]


def _check(out: Path, order: Order, workers: int) -> None:
    for name, value, least in (("subjects", order.subjects, 1), ("workers", workers, 1)):
        if value < least:
            raise DataError(f"{name} is at least {least}", received=str(value))
    if order.clips is not None and order.clips < order.subjects:
        raise DataError(
            "every subject has at least one clip",
            received=f"{order.clips} clips for {order.subjects} subjects",
        )
    for name, number in (("difficulty", order.difficulty), ("size", order.size)):
        if not 0.1 <= number <= 10.0:
            raise DataError(f"{name} lies between 0.1 and 10", received=str(number))
    if not 0.0 <= order.habits <= 3.0:
        raise DataError("habits lies between 0 and 3 pixels", received=str(order.habits))
    require_empty(out)


def _batches(out: Path, layout: str, order: Order, clips: tuple[ClipPlan, ...]) -> list[_Batch]:
    batches = []
    for _, group in groupby(clips, key=lambda clip: clip.subject):
        mine = tuple(group)
        batches += [_Batch(out, layout, order, mine[i : i + _BATCH]) for i in range(0, len(mine), _BATCH)]
    return batches


def _run(batches: list[_Batch], workers: int) -> Generator[list[truth.Truth], None, None]:
    if workers == 1:
        yield from map(_write_batch, batches)
        return
    context = get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(batches)), mp_context=context, initializer=begin)
    try:
        with deaf():
            written = pool.map(_write_batch, batches)
        yield from written
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _write_batch(batch: _Batch) -> list[truth.Truth]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return list(_write_clips(batch))
    finally:
        cv2.setNumThreads(threads)


def _write_clips(batch: _Batch) -> Iterable[truth.Truth]:
    order, layout = batch.order, LAYOUTS[batch.layout]
    camera = layout.camera(order)
    person = identity.draw(layout.people, batch.clips[0].subject, order.seed)
    layers = head.paint(person, OVERSAMPLING * max(camera.zoom), camera.area)
    for clip in batch.clips:
        rng = seeds.generator("synthetic", "film", batch.layout, clip.key, order.seed)
        path = course.draw(clip, camera, order.difficulty, rng)
        scene = render.set_up(person, layers, clip, camera, rng)
        pictures = render.film(scene, path, camera, NOISE * order.difficulty, rng)
        (batch.out / clip.frames).parent.mkdir(parents=True, exist_ok=True)
        for name, picture in zip(clip.paths, pictures, strict=True):
            _write_image(batch.out / name, picture)
        yield truth.of_clip(person, clip, path)


def _write_image(path: Path, picture: render.Image) -> None:
    _, encoded = cv2.imencode(path.suffix, picture, _ENCODING.get(path.suffix, []))
    path.write_bytes(encoded.tobytes())

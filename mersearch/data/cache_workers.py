"""Computing clips in this process or in several, in the order asked for."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor

import cv2

from mersearch.data.arrays import ClipArrays, clip_arrays
from mersearch.data.cache_plan import CachePlan
from mersearch.data.processes import begin, deaf

AHEAD = 2
"""Clips per worker that are computed or waiting to be written: the bound on memory."""


def computed(
    plan: CachePlan, rows: Sequence[int], workers: int
) -> Generator[tuple[int, ClipArrays], None, None]:
    """The arrays of these rows, in this order; the same bytes for every number of workers.

    Raises:
        DataError: a clip cannot be read (the first one in the order of `rows`).
    """
    if workers == 1 or len(rows) < 2:
        yield from _here(plan, rows)
    else:
        yield from _elsewhere(plan, rows, min(workers, len(rows)))


def _here(plan: CachePlan, rows: Sequence[int]) -> Generator[tuple[int, ClipArrays], None, None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for row in rows:
            yield row, clip_arrays(plan.clips[row], plan.settings, plan.faces[row])
    finally:
        cv2.setNumThreads(threads)


def _elsewhere(
    plan: CachePlan, rows: Sequence[int], workers: int
) -> Generator[tuple[int, ClipArrays], None, None]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin)
    waiting: deque[tuple[int, Future[ClipArrays]]] = deque()
    try:
        for row in rows:
            with deaf():
                future = pool.submit(clip_arrays, plan.clips[row], plan.settings, plan.faces[row])
            waiting.append((row, future))
            if len(waiting) >= AHEAD * workers:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[int, Future[ClipArrays]]]) -> tuple[int, ClipArrays]:
    row, future = waiting.popleft()
    return row, future.result()

"""Preparing databases for training: each becomes one folder of arrays that are read as memory maps.

    <root>/<key>/rgb.npy      uint8 [N, 3, T, H, W]; not there where the clips are only flow
                 flow.npy     int8 [N, 3, T, H, W]
                 index.json   ids, labels, parameters, provenance; there once the cache is complete
                 done.jsonl   one line per finished clip
                 lock         held by the process that prepares
    <root>/frames.json        content hashes of frames, by path, size and time of change

The key is a SHA-256 over the clips with their labels, the content of the frames that are used, the parameters, the
versions of preprocessing and of OpenCV, and the source code that turns one into the other. The digest of the data,
which a run is tied to, leaves out the source code only, so that an edit that changes no array ends no run. Micro and
macro clips have a key each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mersearch.data.cache_fill import fill
from mersearch.data.cache_index import Prepared, joint_digest, read_index
from mersearch.data.cache_plan import CachePlan, plan_cache
from mersearch.data.content import FrameHashes
from mersearch.data.landmarks import Eyes
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import Database
from mersearch.errors import ConfigError, DataError

Progress = Callable[[int, int], None]


def prepare(
    micro: Database,
    macro: Database | None,
    settings: Preprocess,
    root: Path,
    *,
    workers: int,
    progress: Progress | None = None,
) -> Prepared:
    """Preprocess every clip that is not in the cache under `root` yet.

    Two processes that prepare the same clips wait for each other. With more than one worker, processes are
    spawned: a script that calls this needs the usual `if __name__ == "__main__"`.

    Args:
        micro: the clips a study trains and tests on.
        macro: clips of posed expressions, or None.
        settings: frames, sizes and scales.
        root: folder of all caches; created where missing.
        workers: processes that compute clips; 1 computes in this one.
        progress: called with (clips finished, clips in all), first before anything is computed.

    Raises:
        DataError: a frame is missing or unreadable (clip and file named), or the cache cannot be written.
        Interrupted: the disk is full, a worker was killed, or an interrupt came; finished clips are kept.
    """
    if workers < 1:
        raise ConfigError("Clips are prepared by at least one process", received=f"workers={workers}")
    hashes = FrameHashes(root)
    databases = (micro,) if macro is None else (micro, macro)
    plans = [plan_cache(database, settings, root, hashes) for database in databases]
    hashes.save()
    _require_use(plans, settings)
    total = sum(len(plan.clips) for plan in plans)
    before = 0
    for plan in plans:
        fill(plan, workers, _shifted(progress, before, total))
        before += len(plan.clips)
    indexes = [read_index(plan.folder) for plan in plans]
    return Prepared(
        micro=plans[0].folder,
        macro=None if macro is None else plans[1].folder,
        digest=joint_digest(indexes),
        notes=tuple(note for index in indexes for note in index.notes),
    )


def _require_use(plans: Sequence[CachePlan], settings: Preprocess) -> None:
    """Raise where a folder of landmarks is given, and no clip at all has a file in it."""
    if settings.landmarks and not any(isinstance(face, Eyes) for plan in plans for face in plan.faces):
        example = plans[0].clips[0].clip_id
        raise DataError(
            "preprocess.landmarks is a folder with a landmark file per clip",
            received=f"{settings.landmarks} has none of any clip, not even {example}.csv",
            fix=f"write {settings.landmarks}/{example}.csv, … (docs/databases.md, 'Faces')",
        )


def _shifted(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    def report(done: int) -> None:
        if progress is not None:
            progress(before + done, total)

    return report

"""What one trial needs of a card, in bytes and in seconds: some optimiser steps of the first chunk."""

from __future__ import annotations

from typing import Any

import torch

from mersearch import numerics
from mersearch.search.packing import Memory
from mersearch.search.worker import Study
from mersearch.training import train_chunk
from mersearch.training.measure import Shortened, seconds_of
from mersearch.training.mixed import in_precision
from mersearch.training.pretraining import pretrain
from mersearch.training.stages import Alone, own_stages, shared_stages

STEPS = 3
"""Optimiser steps per stage: the first ones take what the later ones use again."""


def chunk_memory(study: Study) -> Memory:
    """Memory that training the first chunk takes, at the configuration's own settings; in a process of its own.

    Counted are the data set, the most that training held at once, and what the process itself takes of the card; what
    others have on it is taken for the process's own.

    Raises:
        ConfigError, DataError: as `Study.open`.
        TrialFailure: the configuration cannot be trained.
    """
    worker = study.open()
    algorithm = worker.algorithm({})
    folds = [worker.fold(subject) for subject in study.plan.next_chunk(0)]
    dtype = numerics.dtype(study.mode)
    if shared_stages(algorithm):
        whole, kind = in_precision(algorithm, dtype)
        pretrain(Alone(whole, STEPS), worker.data, folds[0].macro, study.config.run.seed, kind)
    for stage in own_stages(algorithm):
        if not stage.steps:
            continue
        short: Any = Shortened(algorithm, stage, min(STEPS, stage.steps))
        train_chunk(
            short,
            worker.data,
            folds,
            seed=study.config.run.seed,
            backend=study.config.folds.backend,
            dtype=dtype,
        )
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    beside = total - free - torch.cuda.memory_reserved()
    return Memory(torch.cuda.max_memory_reserved() + max(0, beside), total)


def fold_seconds(study: Study) -> float:
    """Seconds that a fold of the first chunk takes, at the configuration's own settings; in a process of its own.

    Raises as `chunk_memory`.
    """
    worker, backend = study.open(), str(study.mode["backend"])
    folds = [worker.fold(subject) for subject in study.plan.next_chunk(0)]
    timed = folds if backend.startswith("fused") else folds[:1]
    whole = seconds_of(
        worker.algorithm({}),
        worker.data,
        timed,
        backend="loop" if backend == "processes" else backend,
        seed=study.config.run.seed,
        dtype=numerics.dtype(study.mode),
    )
    return whole / len(timed)

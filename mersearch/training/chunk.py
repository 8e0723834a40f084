"""Folds in, held-out predictions out; and the refit on all clips."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mersearch.algorithm import Algorithm, Parameters, State
from mersearch.counted import counted
from mersearch.data.folds import Fold
from mersearch.errors import ChunkTooLarge, ConfigError, DataError, out_of_memory
from mersearch.training.batches import Split
from mersearch.training.device import DeviceData
from mersearch.training.fit import OnSteps, fit
from mersearch.training.fused import fit_together
from mersearch.training.mixed import in_precision
from mersearch.training.pretraining import NOTHING, Pretraining, Starts
from mersearch.training.processes import Pool, train_in_processes
from mersearch.training.record import OnFailure
from mersearch.training.results import FoldResult, OnFold, Reports, predicted, train_fold

BACKENDS = ("loop", "fused", "processes", "loop-graph", "fused-graph")
_CAPTURED = ("loop-graph", "fused-graph")
_EVERYONE = "(all subjects)"


def train_chunk(
    algorithm: Algorithm,
    data: DeviceData,
    folds: Sequence[Fold],
    *,
    seed: int,
    backend: str = "loop",
    dtype: torch.dtype = torch.float32,
    on_fold: OnFold | None = None,
    on_failure: OnFailure | None = None,
    pool: Pool | None = None,
    pretraining: Pretraining | None = None,
) -> list[FoldResult]:
    """Train and predict every fold.

    A result depends on the configuration, the fold, the run seed and the numeric mode; not on the order of the folds
    or the trial's number, and in the loop not on the other folds. Fused, the folds of a chunk are one program, so the
    last bits depend on which they are.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        folds: folds of that data.
        seed: seed of the run.
        backend: `loop`, one fold after another; `fused`, all as one program; `processes`, several at once, each as in
            the loop with one thread; `loop-graph` and `fused-graph`, on a card: `loop` and `fused` with every step
            recorded once and replayed.
        dtype: floating-point type of parameters and batches; `torch.bfloat16` for mixed precision, in which these
            are float32 and losses and predictions are computed under autocast.
        on_fold: called after each fold; with `processes`, in the order in which they end.
        on_failure: told of every fold that fails while the others go on; without it the first failure is raised.
        pool: the processes of `processes`, with this data; without it, some are started for this chunk.
        pretraining: keeps what the shared stages of an algorithm leave; without it, it is kept for this chunk.

    Returns:
        The results in the order of `folds`, without those that failed.

    Raises:
        ConfigError: an unknown back-end, or the algorithm needs clips or views that the data lacks.
        DataError: a fold of other data, in which a held-out subject would be trained on or a clip left out; or a
            shared stage has seen a held-out subject.
        TrialFailure: a loss, a parameter or a logit is not finite, or the algorithm breaks its protocol.
        ChunkTooLarge: the folds do not fit into the memory of a card as one program.
        ProcessDied: one of several processes was killed, or ran out of memory.
    """
    if backend not in BACKENDS:
        raise ConfigError("folds.backend is one of " + ", ".join(BACKENDS), received=repr(backend))
    if backend in _CAPTURED and data.device.type != "cuda":
        raise ConfigError(
            f"folds.backend={backend} captures CUDA graphs",
            received=f"the device {data.device}",
            fix="folds.backend=loop, fused or processes",
        )
    _require(algorithm, data)
    for fold in folds:
        _require_own(fold, data)
    reports = Reports(on_fold, on_failure)
    algorithm, dtype = in_precision(algorithm, dtype)
    splits = [Split.of(fold) for fold in folds]
    starts = (pretraining or Pretraining()).starts(algorithm, data, splits, seed, dtype, on_failure)
    if starts is not NOTHING:
        folds = [fold for fold in folds if fold.subject in starts.found]
    if backend == "processes":
        return train_in_processes(algorithm, data, folds, seed, dtype, reports, pool, starts)
    if backend == "loop":
        return reports.collect(folds, lambda fold: train_fold(algorithm, data, fold, seed, dtype, starts))
    chunks = [[fold] for fold in folds] if backend == "loop-graph" else [folds]
    train = partial(_fused, algorithm, data, seed=seed, dtype=dtype, reports=reports, starts=starts)
    return [result for chunk in chunks for result in train(chunk, captured=backend in _CAPTURED)]


def _fused(
    algorithm: Algorithm,
    data: DeviceData,
    folds: Sequence[Fold],
    seed: int,
    dtype: torch.dtype,
    reports: Reports,
    starts: Starts,
    captured: bool,
) -> list[FoldResult]:
    begin, found = time.perf_counter(), starts.found
    splits = [Split.of(fold) for fold in folds]
    try:
        fitted = fit_together(algorithm, data, splits, seed, dtype, reports.on_failure, captured, found)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise ChunkTooLarge(
            "the folds of a chunk must fit into the memory of the card together",
            received=f"{len(folds)} folds: {str(error).splitlines()[0]}",
            fix="a smaller folds.chunk, or folds.batch=auto, which measures what fits",
        ) from error
    share = (time.perf_counter() - begin) / max(1, len(folds)) + starts.seconds
    return reports.collect(
        [fold for fold in folds if fold.subject in fitted],
        lambda fold: predicted(algorithm, data, fold, fitted[fold.subject], dtype, share),
    )


def train_all(
    algorithm: Algorithm,
    data: DeviceData,
    seed: int,
    dtype: torch.dtype = torch.float32,
    on_steps: OnSteps | None = None,
    pretraining: Pretraining | None = None,
) -> tuple[Parameters, State]:
    """Train on all clips, nobody held out: parameters and state on the CPU, for a model that is used elsewhere.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        seed: seed of the run.
        dtype: floating-point type of parameters and batches; `torch.bfloat16` for mixed precision, in which these
            are float32 and losses and predictions are computed under autocast.
        on_steps: told now and then how far it is, without the shared stages.
        pretraining: keeps what the shared stages of an algorithm leave.

    Raises:
        ConfigError: the algorithm needs clips or views that the data lacks.
        TrialFailure: as `train_chunk`.
    """
    _require(algorithm, data)
    macro = len(data.macro) if data.macro is not None else 0
    algorithm, dtype = in_precision(algorithm, dtype)
    everyone = Split(_EVERYONE, np.arange(len(data.micro)), np.arange(macro))
    starts = (pretraining or Pretraining()).starts(algorithm, data, [everyone], seed, dtype)
    fitted = fit(algorithm, data, everyone, seed, dtype, on_steps, starts.found.get(_EVERYONE))
    return _on_host(fitted.parameters), _on_host(fitted.state)


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.clone(value).cpu() for name, value in tensors.items()}


def _require_own(fold: Fold, data: DeviceData) -> None:
    """Raise DataError unless `fold` splits these clips by subject: a fold knows only the data it was made for."""
    clips = np.sort(np.concatenate([fold.train, fold.test]))
    macro = len(data.macro) if data.macro is not None else 0
    if not np.array_equal(clips, np.arange(len(data.micro))) or (fold.macro >= macro).any():
        raise DataError(
            "a fold has every clip of the data once, for training or for testing",
            received=f"fold {fold.subject}: {len(fold.train)} + {len(fold.test)} of {len(data.micro)} clips, "
            f"{len(fold.macro)} of {macro} macro clips",
            fix="build folds with mersearch.data.folds.folds from the same data",
        )
    subjects = data.micro.labels.subject
    shared = np.intersect1d(subjects[fold.train], subjects[fold.test])
    if len(shared):
        raise DataError(
            "a fold never trains on a subject that it tests",
            received=f"fold {fold.subject}: {counted(len(shared), 'subject')} of the data on both sides",
            fix="build folds with mersearch.data.folds.folds from the same data",
        )


def _require(algorithm: Algorithm, data: DeviceData) -> None:
    present = {*data.micro.views, *(("macro",) if data.macro is not None else ())}
    missing = sorted(set(algorithm.needs()) - present)
    if missing:
        raise ConfigError(
            "the data holds what the algorithm needs",
            received=f"no {', '.join(missing)}; there is {', '.join(sorted(present))}",
            fix="prepare that view, name a macro database, or change the settings that need it",
        )

"""Folds in, held-out predictions out; and the refit on all clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch.algorithm import Algorithm, Parameters, State
from mersearch.data.folds import Fold
from mersearch.errors import ConfigError, DataError, TrialFailure
from mersearch.training.batches import LazyBatch, Split, gathering
from mersearch.training.device import DeviceData
from mersearch.training.fit import Fitted, OnSteps, fit
from mersearch.training.inspection import held_out_maps, inspected
from mersearch.training.record import Diagnostics, diverged

BACKENDS = ("loop",)
MAP = 14
_BATCH = 64
"""Clips that are predicted at once."""
_EVERYONE = "(all subjects)"


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """The held-out clips of one fold, and how its training went.

    Attributes:
        subject: the held-out subject.
        clip_ids: ids of its m clips.
        labels: int64 [m].
        logits: float32 [m, L], after the last step.
        maps: uint8 [m, 14, 14], 255 = 1.
        diagnostics: what `Record.diagnostics` says of every update (means, curves), `inspect.*` of the training
            clips and `held_out.*` of the maps (`mersearch.training.inspection`).
        seconds: wall-clock time.
    """

    subject: str
    clip_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    maps: NDArray[np.uint8]
    diagnostics: Diagnostics
    seconds: float


def train_chunk(
    algorithm: Algorithm,
    data: DeviceData,
    folds: Sequence[Fold],
    *,
    seed: int,
    backend: str = "loop",
    dtype: torch.dtype = torch.float32,
    on_fold: Callable[[FoldResult], None] | None = None,
) -> list[FoldResult]:
    """Train and predict every fold, one after another.

    A result depends on the configuration, the fold, the run seed and the numeric mode; not on the other folds,
    their order or the trial's number.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        folds: folds of that data.
        seed: seed of the run.
        backend: `loop`.
        dtype: floating-point type of parameters and batches.
        on_fold: called after each fold.

    Raises:
        ConfigError: an unknown back-end, or the algorithm needs clips or views that the data lacks.
        DataError: a fold of other data, in which a held-out subject would be trained on or a clip left out.
        TrialFailure: a loss, a parameter or a logit is not finite, or the algorithm breaks its protocol.
    """
    if backend not in BACKENDS:
        raise ConfigError("folds.backend is one of " + ", ".join(BACKENDS), received=repr(backend))
    _require(algorithm, data)
    results = []
    for fold in folds:
        results.append(_train_fold(algorithm, data, fold, seed, dtype))
        if on_fold is not None:
            on_fold(results[-1])
    return results


def train_all(
    algorithm: Algorithm,
    data: DeviceData,
    seed: int,
    dtype: torch.dtype = torch.float32,
    on_steps: OnSteps | None = None,
) -> tuple[Parameters, State]:
    """Train on all clips, nobody held out: parameters and state on the CPU, for a model that is used elsewhere.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        seed: seed of the run.
        dtype: floating-point type of parameters and batches.
        on_steps: told now and then how far it is.

    Raises:
        ConfigError: the algorithm needs clips or views that the data lacks.
        TrialFailure: as `train_chunk`.
    """
    _require(algorithm, data)
    macro = len(data.macro) if data.macro is not None else 0
    everyone = Split(_EVERYONE, np.arange(len(data.micro)), np.arange(macro))
    fitted = fit(algorithm, data, everyone, seed, dtype, on_steps)
    return _on_host(fitted.parameters), _on_host(fitted.state)


def _on_host(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.clone(value).cpu() for name, value in tensors.items()}


def _train_fold(
    algorithm: Algorithm, data: DeviceData, fold: Fold, seed: int, dtype: torch.dtype
) -> FoldResult:
    _require_own(fold, data)
    start = time.perf_counter()
    split = Split(fold.subject, fold.train, fold.macro)
    fitted = fit(algorithm, data, split, seed, dtype)
    logits, maps = _predict(algorithm, data, fold, fitted, dtype)
    pictures = maps.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    diagnostics = {
        **fitted.diagnostics,
        **inspected(algorithm, data, split, fitted, dtype),
        **held_out_maps(pictures, data.micro.labels.take(fold.test), data.shapes),
    }
    return FoldResult(
        subject=fold.subject,
        clip_ids=tuple(data.micro.ids[i] for i in fold.test),
        labels=data.micro.labels.emotion[fold.test],
        logits=logits.float().cpu().numpy(),
        maps=pictures,
        diagnostics=diagnostics,
        seconds=time.perf_counter() - start,
    )


def _predict(
    algorithm: Algorithm, data: DeviceData, fold: Fold, fitted: Fitted, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Logits [m, L] and maps [m, 14, 14] of the held-out clips, of which the algorithm sees the views only."""
    parts = torch.split(torch.tensor(fold.test, device=data.device), _BATCH)
    sources = gathering("micro", data.micro, parts, data.micro.views, dtype)
    with torch.no_grad():
        pairs = [
            algorithm.predict(fitted.parameters, fitted.state, LazyBatch(sources, row))
            for row in range(len(parts))
        ]
    for part, (logits, maps) in zip(parts, pairs, strict=True):
        expected = (len(part), len(data.shapes.emotions)), (len(part), MAP, MAP)
        if (tuple(logits.shape), tuple(maps.shape)) != expected:
            raise TrialFailure(
                f"`predict` returns logits and maps of shapes {expected[0]} and {expected[1]}",
                received=f"{tuple(logits.shape)} and {tuple(maps.shape)}, fold {fold.subject}",
            )
    logits, maps = (torch.cat(tensors) for tensors in zip(*pairs, strict=True))
    for name, tensor in (("logits", logits), ("maps", maps)):
        if not tensor.isfinite().all():
            last = [f"stage {stage.name}, step {stage.steps - 1}" for stage in algorithm.stages()][-1:]
            raise diverged(
                f"{name} stay finite", f"a value that is not, fold {fold.subject}, after {', '.join(last)}"
            )
    return logits, maps


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
            received=f"fold {fold.subject}: {len(shared)} subject(s) of the data on both sides",
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

"""What a trained fold says of its held-out clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch.algorithm import Algorithm
from mersearch.data.folds import Fold
from mersearch.errors import TrialFailure
from mersearch.training.batches import LazyBatch, Split, gathering
from mersearch.training.device import DeviceData
from mersearch.training.fit import Fitted, fit
from mersearch.training.inspection import held_out_maps, inspected
from mersearch.training.pretraining import Starts
from mersearch.training.record import Diagnostics, OnFailure, diverged

MAP = 14
_BATCH = 64
"""Clips that are predicted at once."""


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
        seconds: wall-clock time, its share of what the folds of a chunk wait for together included.
        pretrained: key of the training on macro clips that it began with; empty where there is none.
    """

    subject: str
    clip_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    maps: NDArray[np.uint8]
    diagnostics: Diagnostics
    seconds: float
    pretrained: str = ""


OnFold = Callable[[FoldResult], None]


@dataclass(frozen=True, slots=True)
class Reports:
    """Who is told of folds that are done, and of those that fail (without anybody, the first failure is raised)."""

    on_fold: OnFold | None = None
    on_failure: OnFailure | None = None

    def collect(self, folds: Iterable[Fold], train: Callable[[Fold], FoldResult]) -> list[FoldResult]:
        """`train` of every fold that does not fail."""
        results = []
        for fold in folds:
            try:
                result = train(fold)
            except TrialFailure as failure:
                if self.on_failure is None:
                    raise
                self.on_failure(fold.subject, failure)
            else:
                results.append(result)
                self.done(result)
        return results

    def done(self, result: FoldResult) -> None:
        """Tell of a fold that is trained and predicted."""
        if self.on_fold is not None:
            self.on_fold(result)


def train_fold(
    algorithm: Algorithm, data: DeviceData, fold: Fold, seed: int, dtype: torch.dtype, starts: Starts
) -> FoldResult:
    """Train one fold by itself, from its start, and predict its held-out clips.

    Raises:
        DataError, TrialFailure: as `fit`, or as `predicted`.
    """
    begin = time.perf_counter()
    fitted = fit(algorithm, data, Split.of(fold), seed, dtype, start=starts.found.get(fold.subject))
    return predicted(algorithm, data, fold, fitted, dtype, starts.seconds + time.perf_counter() - begin)


def predicted(
    algorithm: Algorithm, data: DeviceData, fold: Fold, fitted: Fitted, dtype: torch.dtype, seconds: float
) -> FoldResult:
    """Predict the held-out clips of `fold`, and look into its training clips.

    Args:
        algorithm: one configuration.
        data: clips on the device.
        fold: of that data.
        fitted: what its training left.
        dtype: floating-point type of the batches.
        seconds: what the training took.

    Raises:
        TrialFailure: a logit or a map is not finite, or has another shape than it should.
    """
    start = time.perf_counter()
    logits, maps = _predict(algorithm, data, fold, fitted, dtype)
    pictures = maps.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    diagnostics = {
        **fitted.diagnostics,
        **inspected(algorithm, data, Split.of(fold), fitted, dtype),
        **held_out_maps(pictures, data.micro.labels.take(fold.test), data.shapes),
    }
    return FoldResult(
        subject=fold.subject,
        clip_ids=tuple(data.micro.ids[i] for i in fold.test),
        labels=data.micro.labels.emotion[fold.test],
        logits=logits.float().cpu().numpy(),
        maps=pictures,
        diagnostics=diagnostics,
        seconds=seconds + time.perf_counter() - start,
        pretrained=fitted.pretrained,
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

"""What an update logs: kept on the device during a stage, read once at its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch.algorithm import Logs
from mersearch.errors import TrialFailure

POINTS = 32
"""Points of a stored loss curve."""

Diagnostics = dict[str, float | list[float]]
OnFailure = Callable[[str, TrialFailure], None]
"""Takes the held-out subject of a fold that failed, and why."""


class Record:
    """Loss and logged scalars of the steps of one update, of one fold or of several that are trained together."""

    def __init__(
        self,
        rows: int,
        name: str,
        where: Sequence[str],
        curves: Collection[str] = (),
        shape: tuple[int, ...] = (),
    ) -> None:
        """Room for `rows` steps.

        Args:
            rows: steps of the update.
            name: `<stage>.<loss>`.
            where: the same with the fold, for messages; one per fold.
            curves: logs that get a curve beside the loss, where this loss has them.
            shape: of a logged scalar: () of one fold, (F,) of F folds that are trained together.
        """
        self._rows, self._name, self._where, self._curves = rows, name, tuple(where), frozenset(curves)
        self._shape = shape
        self._columns: tuple[str, ...] = ()
        self._table = torch.empty(0)
        self._checked = 0

    def add(self, row: int, loss: Tensor, logs: Logs) -> None:
        """Store one step, without a copy to the host.

        Raises:
            TrialFailure: a log is no scalar, or the names of the logs changed.
        """
        if not self._columns:
            self._open(loss, logs)
        elif len(logs) + 1 != len(self._columns):
            raise self._changed(logs)
        try:
            scalars = [loss, *(logs[column] for column in self._columns[1:])]
        except KeyError:
            raise self._changed(logs) from None
        with torch.no_grad():
            self._table[row] = torch.stack([scalar.to(self._table.dtype) for scalar in scalars])

    def failures(self, rows: int) -> dict[int, TrialFailure]:
        """Read the losses of the steps up to `rows` that were not read yet: fold → why it has diverged.

        The failure names fold, stage, loss and the first step at which the loss is not finite.
        """
        first, self._checked = self._checked, rows
        losses = self._table[first:rows, 0].reshape(rows - first, -1)
        finite = losses.isfinite()
        if finite.all():
            return {}
        found = {}
        for fold in finite.all(0).logical_not().nonzero().flatten().tolist():
            row = int(finite[:, fold].logical_not().nonzero()[0])
            value = f"{float(losses[row, fold])} at step {first + row}"
            found[fold] = diverged("a loss stays finite", f"{value}, {self._where[fold]}")
        return found

    def diagnostics(self, fold: int = 0) -> Diagnostics:
        """What is kept of all steps of one fold.

        Returns:
            `<stage>.<loss>.loss` and `<stage>.<loss>.<log>`: means over the steps where they are finite;
            `<stage>.<loss>.steps`: the number of steps; `<stage>.<loss>.curve`: the loss in at most `POINTS` bins of
            steps, `<stage>.<loss>.<log>.curve`: a log in the same bins (NaN where a bin has no finite value). The
            bins are `numpy.array_split` of the steps: the first ones are longer by one where they cannot be equal.
        """
        folds = self._table.reshape(*self._table.shape[:2], -1)
        table = folds[:, :, fold].double().cpu().numpy()
        found: Diagnostics = {f"{self._name}.steps": self._rows}
        for column, values in zip(self._columns, table.T, strict=True):
            if np.isfinite(values).any():
                found[f"{self._name}.{column}"] = _mean(values)
            if column == "loss" or column in self._curves:
                name = self._name if column == "loss" else f"{self._name}.{column}"
                found[f"{name}.curve"] = [_mean(part) for part in _bins(values)]
        return found

    def _open(self, loss: Tensor, logs: Logs) -> None:
        own = len(self._shape)
        if loss.shape != self._shape or not loss.requires_grad:
            raise TrialFailure(
                "a loss is a scalar that depends on the parameters of its group",
                received=f"shape {tuple(loss.shape[own:])}, gradient: {loss.requires_grad}, {self._where[0]}",
                fix="correct `loss` or the group of the update",
            )
        shaped = {name: tuple(value.shape[own:]) for name, value in logs.items() if value.dim() > own}
        if shaped or {"loss", "curve", "steps"} & {*logs}:
            raise TrialFailure(
                "logs are scalars, and `loss`, `curve` and `steps` are taken",
                received=f"{shaped or sorted(logs)}, {self._where[0]}",
            )
        self._columns = ("loss", *logs)
        size = self._rows, len(self._columns), *self._shape
        self._table = torch.zeros(size, dtype=loss.dtype, device=loss.device)

    def _changed(self, logs: Logs) -> TrialFailure:
        return TrialFailure(
            "a loss logs the same names in every step",
            received=f"{sorted(logs)} after {sorted(self._columns[1:])}, {self._where[0]}",
        )


def _bins(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return np.array_split(values, min(POINTS, len(values)))


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of the finite values; NaN without any."""
    finite = values[np.isfinite(values)]
    return math.fsum(finite) / len(finite) if len(finite) else math.nan


def diverged(rule: str, received: str) -> TrialFailure:
    """The failure of a training that left the finite numbers."""
    return TrialFailure(rule, received=received, fix="a smaller learning rate, or a gradient norm to clip at")

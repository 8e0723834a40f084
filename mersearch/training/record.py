"""What an update logs: kept on the device during a stage, read once at its end."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch.algorithm import Logs
from mersearch.errors import TrialFailure

POINTS = 32
"""Points of a stored loss curve."""

Diagnostics = dict[str, float | list[float]]


class Record:
    """Loss and logged scalars of the steps of one update."""

    def __init__(self, rows: int, name: str, where: str, curves: Collection[str] = ()) -> None:
        """Room for `rows` steps.

        Args:
            rows: steps of the update.
            name: `<stage>.<loss>`.
            where: the same with the fold, for messages.
            curves: logs that get a curve beside the loss, where this loss has them.
        """
        self._rows, self._name, self._where, self._curves = rows, name, where, frozenset(curves)
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

    def check(self, rows: int) -> None:
        """Read the losses of the first `rows` steps.

        Raises:
            TrialFailure: one of them is not finite; names fold, stage, loss and step.
        """
        losses = self._table[self._checked : rows, 0]
        if not losses.isfinite().all():
            step = self._checked + int(losses.isfinite().logical_not().nonzero()[0])
            raise diverged(
                "a loss stays finite", f"{float(self._table[step, 0])} at step {step}, {self._where}"
            )
        self._checked = rows

    def diagnostics(self) -> Diagnostics:
        """What is kept of all steps.

        Returns:
            `<stage>.<loss>.loss` and `<stage>.<loss>.<log>`: means over the steps where they are finite;
            `<stage>.<loss>.steps`: the number of steps; `<stage>.<loss>.curve`: the loss in at most `POINTS` bins of
            steps, `<stage>.<loss>.<log>.curve`: a log in the same bins (NaN where a bin has no finite value). The
            bins are `numpy.array_split` of the steps: the first ones are longer by one where they cannot be equal.
        """
        table = self._table.double().cpu().numpy()
        found: Diagnostics = {f"{self._name}.steps": self._rows}
        for column, values in zip(self._columns, table.T, strict=True):
            if np.isfinite(values).any():
                found[f"{self._name}.{column}"] = _mean(values)
            if column == "loss" or column in self._curves:
                name = self._name if column == "loss" else f"{self._name}.{column}"
                found[f"{name}.curve"] = [_mean(part) for part in _bins(values)]
        return found

    def _open(self, loss: Tensor, logs: Logs) -> None:
        if loss.shape or not loss.requires_grad:
            raise TrialFailure(
                "a loss is a scalar that depends on the parameters of its group",
                received=f"shape {tuple(loss.shape)}, gradient: {loss.requires_grad}, {self._where}",
                fix="correct `loss` or the group of the update",
            )
        shaped = {name: tuple(value.shape) for name, value in logs.items() if value.shape}
        if shaped or {"loss", "curve", "steps"} & {*logs}:
            raise TrialFailure(
                "logs are scalars, and `loss`, `curve` and `steps` are taken",
                received=f"{shaped or sorted(logs)}, {self._where}",
            )
        self._columns = ("loss", *logs)
        self._table = torch.zeros(self._rows, len(self._columns), dtype=loss.dtype, device=loss.device)

    def _changed(self, logs: Logs) -> TrialFailure:
        return TrialFailure(
            "a loss logs the same names in every step",
            received=f"{sorted(logs)} after {sorted(self._columns[1:])}, {self._where}",
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

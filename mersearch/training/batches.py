"""From a plan to batches: positions checked, mapped to clips of the data set, and gathered when they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch.algorithm import Plan, Training
from mersearch.data.folds import Fold
from mersearch.errors import TrialFailure
from mersearch.training.device import DeviceClips, DeviceData

_LABELS = ("emotion", "subject", "action_units", "annotated")
_SCALES = {"rgb": 255, "flow": 127, "action_units": 1, "annotated": 1}

Source = Callable[[int], Tensor]
"""The tensor of one name, given the row of the plan."""


class LazyBatch(Mapping[str, Tensor]):
    """One row of a plan: a tensor is gathered when it is read first, so an unused view costs nothing."""

    __slots__ = ("_gathered", "_row", "_sources")

    def __init__(self, sources: Mapping[str, Source], row: int) -> None:
        self._sources, self._row = sources, row
        self._gathered: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._gathered:
            self._gathered[name] = self._sources[name](self._row)
        return self._gathered[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


@dataclass(frozen=True, slots=True)
class Split:
    """What one fold trains on. Its positions are the only way from a plan to a clip."""

    subject: str
    """The held-out subject; names the fold in seeds and messages."""
    train: NDArray[np.int64]
    macro: NDArray[np.int64]

    @classmethod
    def of(cls, fold: Fold) -> Split:
        """What `fold` trains on."""
        return cls(fold.subject, fold.train, fold.macro)

    def training(self, data: DeviceData) -> Training:
        """The labels that a plan may know."""
        macro = data.macro.labels.take(self.macro) if data.macro is not None and len(self.macro) else None
        return Training(data.micro.labels.take(self.train), macro)


def planned(
    plan: Plan, rows: int, split: Split, data: DeviceData, dtype: torch.dtype, where: str
) -> dict[str, Source]:
    """The sources of the batches of `plan`, checked.

    Args:
        plan: what the algorithm planned; `micro` and `macro` are positions in `split`.
        rows: steps of the update, which every array's first axis must match.
        split: the training clips.
        data: the data set.
        dtype: floating-point type of the batches.
        where: fold, stage and loss, for messages.

    Raises:
        TrialFailure: an array breaks a rule of `mersearch.algorithm.Plan`.
    """
    kinds = {"micro": (data.micro, split.train), "macro": (data.macro, split.macro)}
    sources: dict[str, Source] = {}
    for name, array in plan.items():
        _check_rows(name, array, rows, where)
        if name not in kinds:
            values = _values(name, array, data.device, dtype, where)
            sources[name] = partial(values.select, 0)
            continue
        clips, positions = kinds[name]
        _check_positions(name, array, len(positions), where)
        index = torch.from_numpy(positions[array]).to(data.device)
        if clips is not None:
            sources |= gathering(name, clips, index, (*clips.views, *_LABELS), dtype)
    return sources


def planned_together(
    plans: Sequence[Plan],
    rows: int,
    splits: Sequence[Split],
    data: DeviceData,
    dtype: torch.dtype,
    where: Sequence[str],
) -> dict[str, Source]:
    """The sources of the batches of F folds, with the fold as the first axis of every tensor; checked as `planned`.

    Args:
        plans, splits, where: of every fold.
        rows, data, dtype: as for `planned`.

    Raises:
        TrialFailure: an array breaks a rule of `mersearch.algorithm.Plan`, or the plans differ in names or shapes.
    """
    _check_alike(plans, where)
    sources: dict[str, Source] = {}
    for name in plans[0]:
        arrays = [plan[name] for plan in plans]
        for array, text in zip(arrays, where, strict=True):
            _check_rows(name, array, rows, text)
        if name not in ("micro", "macro"):
            values = _values(name, np.stack(arrays, 1), data.device, dtype, where[0])
            sources[name] = partial(values.select, 0)
            continue
        positions = [split.train if name == "micro" else split.macro for split in splits]
        for array, known, text in zip(arrays, positions, where, strict=True):
            _check_positions(name, array, len(known), text)
        index = np.stack([known[array] for known, array in zip(positions, arrays, strict=True)], 1)
        clips = data.micro if name == "micro" else data.macro
        if clips is not None:
            fields = (*clips.views, *_LABELS)
            sources |= gathering(name, clips, torch.from_numpy(index).to(data.device), fields, dtype)
    return sources


def shapes_of(plan: Plan) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    """Name, shape of a row and kind of number of every array: plans that agree in them can be stacked."""
    return tuple((name, np.shape(array)[1:], np.asarray(array).dtype.kind) for name, array in plan.items())


def gathering(
    kind: str, clips: DeviceClips, index: Tensor | Sequence[Tensor], fields: Sequence[str], dtype: torch.dtype
) -> dict[str, Source]:
    """Sources `<kind>.<field>` of the clips `index[row]`; images and flags as `dtype`, images scaled to 1.

    `index[row]` may have several axes, which the tensors then begin with.
    """
    return {
        f"{kind}.{field}": partial(_gather, clips.tensors[field], index, _SCALES.get(field), dtype)
        for field in fields
    }


def _gather(
    values: Tensor, index: Tensor | Sequence[Tensor], scale: int | None, dtype: torch.dtype, row: int
) -> Tensor:
    chosen = index[row]
    picked = values.index_select(0, chosen.flatten())
    if chosen.dim() > 1:
        picked = picked.view(*chosen.shape, *picked.shape[1:])
    if scale is None:
        return picked
    numbers = picked.to(dtype)
    return numbers if scale == 1 else numbers.div_(scale)


def _values(name: str, array: NDArray[Any], device: torch.device, dtype: torch.dtype, where: str) -> Tensor:
    if array.dtype.kind not in "biuf":
        raise _broken("an array of a plan holds numbers", f"`{name}` of type {array.dtype}", where)
    if "." in name:
        raise _broken("names with a dot are kept for gathered tensors", f"an array `{name}`", where)
    values = torch.from_numpy(np.ascontiguousarray(array)).to(device)
    return values.to(dtype) if array.dtype.kind == "f" else values


def _check_alike(plans: Sequence[Plan], where: Sequence[str]) -> None:
    for plan, text in zip(plans, where, strict=True):
        if shapes_of(plan) != shapes_of(plans[0]):
            raise _broken(
                "the rows of a plan have the same shapes for any number of steps",
                f"{shapes_of(plan)}, not {shapes_of(plans[0])}",
                text,
            )


def _check_rows(name: str, array: Any, rows: int, where: str) -> None:
    shape = np.shape(array)
    if not isinstance(array, np.ndarray) or not shape or shape[0] != rows:
        raise _broken(
            f"the first axis of a plan's array is the step, steps * repeats = {rows} rows",
            f"`{name}` as {type(array).__name__} of shape {shape}",
            where,
        )


def _check_positions(name: str, array: NDArray[Any], clips: int, where: str) -> None:
    if array.ndim != 2 or array.dtype.kind not in "iu" or not array.shape[1]:
        raise _broken(
            f"`{name}` holds integer positions [steps, batch]", f"{array.dtype} of shape {array.shape}", where
        )
    low, high = array.min(initial=clips), array.max(initial=-1)
    if low < 0 or high >= clips:
        raise _broken(
            f"`{name}` holds positions among the fold's {clips} training clips, 0 … {clips - 1}",
            f"positions from {low} to {high}",
            where,
        )


def _broken(rule: str, received: str, where: str) -> TrialFailure:
    return TrialFailure(rule, received=f"{received}, {where}", fix="correct `plan` of the algorithm")

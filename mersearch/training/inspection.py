"""What a trained fold looks like from inside: read after the last step, never used in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch.algorithm import Algorithm, Labels, Shapes
from mersearch.data.action_units import ACTION_UNITS, regions
from mersearch.errors import TrialFailure
from mersearch.training.batches import LazyBatch, Split, gathering
from mersearch.training.device import DeviceData
from mersearch.training.fit import Fitted
from mersearch.training.probe import identity_probe
from mersearch.training.record import Diagnostics

FEATURE = "feature"
_BATCH = 64


def inspected(
    algorithm: Algorithm, data: DeviceData, split: Split, fitted: Fitted, dtype: torch.dtype
) -> Diagnostics:
    """`inspect.<name>`: mean over the training clips of what the algorithm's `inspect` returns, if it has one.

    Its `feature` [B, D] is not averaged but probed: `inspect.identity_probe` beside `inspect.identity_chance`.

    Raises:
        TrialFailure: `inspect` returns something else than a number per clip, or a `feature` that is no vector per
            clip.
    """
    inspect = getattr(algorithm, "inspect", None)
    if inspect is None:
        return {}
    parts = torch.split(torch.tensor(split.train, device=data.device), _BATCH)
    sources = gathering("micro", data.micro, parts, data.micro.views, dtype)
    with torch.no_grad():
        seen = [
            inspect(fitted.parameters, fitted.state, LazyBatch(sources, row)) for row in range(len(parts))
        ]
    for batch, clips in zip(seen, parts, strict=True):
        _require_per_clip(batch, len(clips))
    values = {name: torch.cat([batch[name] for batch in seen]) for name in seen[0]}
    feature = values.pop(FEATURE, None)
    found: Diagnostics = {f"inspect.{name}": float(value.double().mean()) for name, value in values.items()}
    return found | _probed(feature, data.micro.labels.subject[split.train])


def _require_per_clip(batch: Mapping[str, Any], clips: int) -> None:
    for name, value in batch.items():
        shape = tuple(value.shape) if isinstance(value, Tensor) else None
        if shape is None or shape[:1] != (clips,) or len(shape) != (2 if name == FEATURE else 1):
            what = f"`{name}`, a {type(value).__name__}" if shape is None else f"`{name}` of shape {shape}"
            raise TrialFailure(
                "`inspect` returns a number per clip, and `feature` a vector per clip",
                received=f"{what} for {clips} clips",
            )


def _probed(feature: Tensor | None, subject: NDArray[np.int64]) -> Diagnostics:
    probe = identity_probe(feature, subject) if feature is not None else None
    if probe is None:
        return {}
    return {"inspect.identity_probe": probe.accuracy, "inspect.identity_chance": probe.chance}


def held_out_maps(maps: NDArray[np.uint8], labels: Labels, shapes: Shapes) -> Diagnostics:
    """How well the maps of the held-out clips lie on the regions of the action units that coders saw.

    `held_out.map_coverage`: mean of the maps. `held_out.map_overlap`: share of a map's mass inside the regions of the
    clip's action units, mean over clips that have some; `held_out.map_overlap_even`: what an even map would have.

    Args:
        maps: [m, 14, 14], 255 = 1.
        labels: of the m clips.
        shapes: names the action units.
    """
    cells = maps.astype(np.float64) / 255
    found: Diagnostics = {"held_out.map_coverage": float(cells.mean())}
    shown = action_unit_areas(labels, shapes.action_units, maps.shape[-1])
    usable = np.flatnonzero(shown.any((1, 2)) & cells.any((1, 2)))
    if len(usable):
        inside = (cells * shown)[usable].sum((1, 2)) / cells[usable].sum((1, 2))
        found["held_out.map_overlap"] = float(inside.mean())
        found["held_out.map_overlap_even"] = float(shown[usable].mean())
    return found


def action_unit_areas(labels: Labels, action_units: tuple[int, ...], size: int) -> NDArray[np.bool_]:
    """Where the annotated action units of every clip show, bool [m, size, size]; units without a region nowhere."""
    area = regions(size) > 0.5
    known = [(column, ACTION_UNITS.index(u)) for column, u in enumerate(action_units) if u in ACTION_UNITS]
    present = np.zeros((len(labels), len(ACTION_UNITS)), dtype=bool)
    for column, row in known:
        present[:, row] = labels.action_units[:, column] & labels.annotated
    shown: NDArray[np.bool_] = np.einsum("ma,ayx->myx", present.astype(np.int64), area.astype(np.int64)) > 0
    return shown

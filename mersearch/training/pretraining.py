"""Training on macro clips alone: computed once per distinct setting, and shared by all folds, trials and workers.

What it leaves is a function of its key: the algorithm, the settings that its stages name, the shapes of the data, the
seed of the run, the content of the macro clips that it sees, the code, and the numeric mode. Neither a trial nor a
held-out subject is among these, so folds that see the same macro clips begin with the same bits. A fold whose subject
is among the macro people sees fewer clips, and so has a training of its own, which the same fold of other trials with
these settings shares.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mersearch import numerics, seeds
from mersearch.algorithm import Algorithm, Parameters
from mersearch.errors import TrialFailure
from mersearch.training.batches import Split
from mersearch.training.device import DeviceClips, DeviceData
from mersearch.training.fit import fit
from mersearch.training.keeping import kept
from mersearch.training.mixed import Mixed
from mersearch.training.pretrained import Pretrained, require_unseen
from mersearch.training.record import OnFailure
from mersearch.training.stages import Alone, shared_stages

NOBODY = "(macro clips alone)"
"""Stands where a fold has its held-out subject, in seeds and messages."""


@dataclass(frozen=True, slots=True)
class Starts:
    """What the folds of a chunk begin with.

    Attributes:
        found: held-out subject → what the shared stages of the algorithm left; nothing where it has none.
        seconds: what that took, per fold.
    """

    found: Mapping[str, Pretrained] = field(default_factory=dict)
    seconds: float = 0.0


NOTHING = Starts()
"""Of an algorithm without shared stages."""


class Pretraining:
    """What shared stages leave, computed by the plain loop and kept: here, and in a folder if there is one."""

    def __init__(self, folder: Path | None = None, code: Callable[[], str] = str) -> None:
        """Remember nothing yet.

        Args:
            folder: where other processes find it too; None = nowhere.
            code: digest of the code that computes it, asked for when there is something to compute.
        """
        self._folder, self._code = folder, code
        self._recipe, self._held = "", dict[str, Pretrained]()
        self._clips: tuple[DeviceClips | None, list[str]] = (None, [])

    def starts(
        self,
        algorithm: Algorithm,
        data: DeviceData,
        splits: Sequence[Split],
        seed: int,
        dtype: torch.dtype,
        on_failure: OnFailure | None = None,
    ) -> Starts:
        """What the folds of a chunk begin with.

        Args:
            algorithm: one configuration.
            data: clips on the device.
            splits: what the folds are trained on.
            seed: seed of the run.
            dtype: floating-point type of parameters and batches.
            on_failure: told of every fold whose shared stages fail; without it the first failure is raised.

        Raises:
            DataError: the clips have been seen by somebody who is held out.
            TrialFailure: the shared stages diverge, or break a rule of `mersearch.algorithm.Stage`.
        """
        if not shared_stages(algorithm):
            return NOTHING
        begin, alone = time.perf_counter(), Alone(algorithm)
        recipe = self._described(alone, data, seed, dtype)
        if recipe != self._recipe:
            self._recipe, self._held = recipe, {}
        found: dict[str, Pretrained] = {}
        for split in splits:
            try:
                found[split.subject] = self._start(alone, data, split, seed, dtype)
            except TrialFailure as failure:
                if on_failure is None:
                    raise
                on_failure(split.subject, failure)
        return Starts(found, (time.perf_counter() - begin) / max(1, len(splits)))

    def _start(
        self, alone: Alone, data: DeviceData, split: Split, seed: int, dtype: torch.dtype
    ) -> Pretrained:
        key = seeds.digest([self._recipe, self._contents(data, split.macro)])
        require_unseen(split.subject, _people(data, split.macro), key)
        if key not in self._held:

            def compute() -> Pretrained:
                return pretrain(alone, data, split.macro, seed, dtype, key)

            self._held[key] = compute() if self._folder is None else kept(self._folder, key, compute)
        return self._held[key]

    def _described(self, alone: Alone, data: DeviceData, seed: int, dtype: torch.dtype) -> str:
        """Digest of all that a pretraining follows from, but for the clips."""
        mixed = isinstance(alone.inner, Mixed)
        cls = type(alone.inner.inner if isinstance(alone.inner, Mixed) else alone.inner)
        precision = numerics.precision_of(torch.bfloat16 if mixed else dtype)
        return seeds.digest(
            {
                "algorithm": f"{cls.__module__}:{cls.__qualname__}",
                "settings": dataclasses.asdict(alone.settings),
                "stages": [dataclasses.asdict(stage) for stage in alone.stages()],
                "shapes": dataclasses.asdict(data.shapes),
                "seed": seed,
                "code": self._code(),
                "mode": numerics.numeric_mode(torch.get_num_threads(), 1, "loop", data.device, precision),
            }
        )

    def _contents(self, data: DeviceData, macro: NDArray[np.int64]) -> list[str]:
        """Digests of macro clips with their labels and people; all are read once."""
        if data.macro is None:
            return []
        if self._clips[0] is not data.macro:
            self._clips = data.macro, [_digest(data.macro, clip) for clip in range(len(data.macro))]
        return [self._clips[1][clip] for clip in macro]


def pretrain(
    alone: Alone,
    data: DeviceData,
    macro: NDArray[np.int64],
    seed: int,
    dtype: torch.dtype,
    key: str = "",
) -> Pretrained:
    """Run the shared stages of an algorithm on macro clips, by the plain loop.

    Args:
        alone: these stages.
        data: clips on the device.
        macro: positions among the macro clips.
        seed: seed of the run.
        dtype: floating-point type of parameters and batches.
        key: of the result.

    Raises:
        TrialFailure: there is no clip, a plan asks for others than macro clips, or as `fit`.
    """
    if data.macro is None or not len(macro):
        raise TrialFailure(
            "shared stages train on macro clips",
            received="none that the fold may see" if data.macro is not None else "data without any",
            fix="name a macro database, or switch the shared stages off",
        )
    nothing = np.empty(0, np.int64)
    fitted = fit(cast("Algorithm", alone), data, Split(NOBODY, nothing, macro), seed, dtype)
    groups = [prefix for stage in alone.stages() for update in stage.updates for prefix in update.group]
    trained = {name: value for name, value in fitted.parameters.items() if _among(name, groups)}
    seen = _people(data, macro)
    return Pretrained(_on_host(trained), _on_host(fitted.state), fitted.diagnostics, seen, key)


def _people(data: DeviceData, macro: NDArray[np.int64]) -> frozenset[str]:
    """Who is on these macro clips."""
    if data.macro is None:
        return frozenset()
    return frozenset(data.macro.subjects[number] for number in np.unique(data.macro.labels.subject[macro]))


def _among(name: str, groups: Sequence[str]) -> bool:
    return any(name == prefix.rstrip(".") or name.startswith(f"{prefix.rstrip('.')}.") for prefix in groups)


def _on_host(tensors: Mapping[str, Tensor]) -> Parameters:
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}


def _digest(clips: DeviceClips, clip: int) -> str:
    """Digest of one clip: its name, person, labels and pictures."""
    labels = clips.labels
    said: dict[str, Any] = {
        "id": clips.ids[clip],
        "subject": clips.subjects[labels.subject[clip]],
        "emotion": int(labels.emotion[clip]),
        "action_units": labels.action_units[clip].tolist(),
        "annotated": bool(labels.annotated[clip]),
    }
    total = hashlib.sha256(seeds.digest(said).encode())
    for view in clips.views:
        total.update(view.encode() + clips.tensors[view][clip].cpu().numpy().tobytes())
    return total.hexdigest()

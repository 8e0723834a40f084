"""`folds.batch=auto`: which back-end and chunk are fastest here, measured at launch and kept for the whole run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from mersearch import seeds
from mersearch.algorithm import Shapes
from mersearch.config.records import Config
from mersearch.errors import MersearchError
from mersearch.numerics import Mode, dtype
from mersearch.preparation import Material
from mersearch.search.policies import policy_of
from mersearch.search.slots import local_slots
from mersearch.store.files import new_folder, replace
from mersearch.timing import Trial, trial_of
from mersearch.training.measure import seconds_of
from mersearch.training.memory import available, card_peak, held, release, resident_peak
from mersearch.training.processes import Pool

FILE: Final = "measured-folds.json"
"""In the folder of the caches."""
SIZES: Final = (2, 4, 8, 16, 32, 64)
SHARE: Final = 0.9
"""Part of the free memory that a chunk may be expected to take."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to train folds, and what it was found to cost.

    Attributes:
        backend, chunk: values of `folds.backend` and `folds.chunk`.
        seconds: per fold; None where it was refused.
        bytes: memory that all trials side by side are expected to take with it, where it was refused for it.
    """

    backend: str
    chunk: int
    seconds: float | None = None
    bytes: int = 0

    def __str__(self) -> str:
        name = f"{self.backend}, chunks of {self.chunk}"
        if self.seconds is None:
            return f"{name}: refused, about {self.bytes / 2**30:.1f} GiB"
        return f"{name}: {self.seconds:.3g} s"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is fastest, with everything that was measured (nothing where there is one way only)."""

    backend: str
    chunk: int
    why: str
    measured: tuple[Candidate, ...] = ()

    @property
    def line(self) -> str:
        """For the user."""
        found = "; ".join(map(str, self.measured))
        return f"{self.backend}, chunks of {self.chunk}: {self.why}{f' ({found})' if found else ''}"

    def applied(self, config: Config) -> Config:
        """`config` with this back-end and chunk, so that everything that goes on from it repeats the choice."""
        folds = dataclasses.replace(
            config.folds,
            chunk=self.chunk,
            backend=self.backend,  # type: ignore[arg-type]
            batch="fixed",
        )
        return dataclasses.replace(config, folds=folds)

    def facts(self) -> dict[str, Any]:
        """Plain values for the run directory."""
        return dataclasses.asdict(self)


Measure = Callable[[Candidate], Candidate]
"""Fills in the seconds, or the bytes of a chunk that does not fit."""


def choose(config: Config, material: Material, shapes: Shapes, mode: Mode) -> Choice:
    """Measure what `config` may use on this machine, or read what was measured here before.

    Args:
        config: fitted to the data, with `folds.batch=auto`.
        material: the databases.
        shapes: of the preprocessed data.
        mode: numeric mode of this machine.
    """
    try:
        return _chosen(config, material, shapes, mode)
    finally:
        release()


def _chosen(config: Config, material: Material, shapes: Shapes, mode: Mode) -> Choice:
    folds = len(material.micro.subjects)
    cores = max(1, int(config.trial.cpus))
    found = candidates(config, str(mode["device"]), folds)
    if len(found) == 1:
        return Choice(found[0].backend, found[0].chunk, _only_way(folds))
    trial = trial_of(config, material, shapes, mode)
    key = _key(config, trial, mode)
    file = Path(config.cache).expanduser() / FILE
    known = _read(file)
    if key in known:
        values = known[key]
        return Choice(
            values["backend"],
            values["chunk"],
            "the fastest when it was measured on this machine",
            tuple(Candidate(**each) for each in values["measured"]),
        )
    beside = _side_by_side(config, str(mode["device"]))
    choice = fastest(found, partial(_measured, trial, config.run.seed, mode, cores, beside))
    new_folder(file.parent, None)
    text = json.dumps({**_read(file), key: choice.facts()}, indent=1)
    replace(file, text.encode() + b"\n", None)
    return choice


def candidates(config: Config, device: str, folds: int) -> list[Candidate]:
    """What may be used, small chunks first.

    On processors: the loop, and processes where a trial has several cores; folds are never fused, since convolutions
    whose inputs differ from fold to fold are slower that way there. On a card: the loop, and fused chunks up to the
    folds after which the first trial may be stopped, so that stopping stays as fine as it is.
    """
    cores, chunk = max(1, int(config.trial.cpus)), config.folds.chunk
    loop = Candidate("loop", min(chunk, folds))
    if device == "cpu":
        several = Candidate("processes", min(max(chunk, cores), folds))
        return [loop, several] if cores > 1 and folds > 1 else [loop]
    most_folds = _first_look(config, folds)
    sizes = sorted({size for size in (*SIZES, most_folds) if 1 < size <= most_folds})
    return [loop, *(Candidate("fused", size) for size in sizes)]


def fastest(found: Sequence[Candidate], measure: Measure) -> Choice:
    """The candidate with the least seconds per fold; the earlier one of equals, so the loop of all.

    Raises:
        MersearchError: none fits into the memory.
    """
    measured: list[Candidate] = []
    for candidate in found:
        too_large = [each for each in measured if each.seconds is None and _larger(candidate, each)]
        measured.append(
            dataclasses.replace(candidate, bytes=too_large[0].bytes) if too_large else measure(candidate)
        )
        release()
    fitting = [each for each in measured if each.seconds is not None]
    if not fitting:
        raise MersearchError(
            "the folds of a chunk must fit into the memory",
            received="; ".join(map(str, measured)),
            fix="smaller clips (preprocess.size, preprocess.frames), or fewer trials at once",
        )
    best = min(fitting, key=lambda each: each.seconds or 0.0)
    return Choice(best.backend, best.chunk, "the fastest here, in seconds per fold", tuple(measured))


def _larger(candidate: Candidate, refused: Candidate) -> bool:
    return candidate.backend == refused.backend and candidate.chunk > refused.chunk


def _only_way(folds: int) -> str:
    """Why there is nothing to measure."""
    return "there is one fold only" if folds == 1 else "one core per trial, so one fold after another"


def _side_by_side(config: Config, device: str) -> int:
    """Trials that share the memory: all of this machine; on a card those whose share of a card is `trial.gpus`.

    With `trial.gpus=auto` a trial is taken to have its card alone: how many share one is measured after the choice.
    """
    trial, wanted = config.trial, config.search.concurrency
    if device == "cpu":
        return local_slots(trial.cpus, 0, wanted, cards=0).count
    room = 1 if trial.gpus == "auto" or not 0 < trial.gpus < 1 else int(1 / trial.gpus + 1e-9)
    return room if wanted == "auto" else max(1, min(room, wanted))


def _first_look(config: Config, folds: int) -> int:
    """Folds after which a trial may be stopped for the first time; all where none is."""
    return min(policy_of(config.search, seed=config.run.seed).looks(folds), default=folds)


def _measured(
    trial: Trial, seed: int, mode: Mode, cores: int, beside: int, candidate: Candidate
) -> Candidate:
    """`candidate` with its seconds per fold, or with the bytes for which there is no room, for `beside` trials."""
    timed = partial(
        seconds_of, trial.algorithm, trial.data, seed=seed, dtype=dtype(mode), backend=candidate.backend
    )
    chunk = trial.folds[: candidate.chunk]
    if candidate.backend == "loop":
        return dataclasses.replace(candidate, seconds=timed(chunk[:1]))
    if candidate.backend == "processes":
        with Pool(trial.data, 1) as pool:
            timed(chunk[:1], pool=pool, timed=1)
            needed = beside * cores * max(resident_peak(pid) for pid in pool.pids)
        if needed > SHARE * available(trial.data.device):
            return dataclasses.replace(candidate, bytes=needed)
        with Pool(trial.data, cores) as pool:
            return dataclasses.replace(candidate, seconds=timed(chunk, pool=pool) / len(chunk))
    one, two = (
        card_peak(trial.data.device, partial(timed, trial.folds[:folds], timed=1)) for folds in (1, 2)
    )
    needed = beside * (one + (candidate.chunk - 1) * (two - one)) + (beside - 1) * held(trial.data.device)
    if needed > SHARE * available(trial.data.device):
        return dataclasses.replace(candidate, bytes=needed)
    return dataclasses.replace(candidate, seconds=timed(chunk) / len(chunk))


def _key(config: Config, trial: Trial, mode: Mode) -> str:
    """Everything that the answer depends on."""
    parameters, _ = trial.algorithm.init(0)
    return seeds.digest(
        {
            "parameters": {name: list(value.shape) for name, value in parameters.items()},
            "settings": config.algorithm.settings,
            "clips": [len(trial.data.micro), len(trial.data.macro or ())],
            "shapes": dataclasses.asdict(trial.data.shapes),
            "folds": len(trial.folds),
            "candidates": [str(each) for each in candidates(config, str(mode["device"]), len(trial.folds))],
            "cores": config.trial.cpus,
            "beside": _side_by_side(config, str(mode["device"])),
            "mode": {
                name: value for name, value in mode.items() if name not in ("backend", "chunk", "threads")
            },
        }
    )


def _read(file: Path) -> dict[str, Any]:
    """What was measured before; nothing where there is no file, or none that can be read."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

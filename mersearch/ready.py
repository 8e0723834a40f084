"""A configuration made ready: data read and preprocessed, folds planned, everything checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mersearch.algorithm import Shapes
from mersearch.batching import Choice, choose
from mersearch.config.importing import folder_of
from mersearch.config.records import Config
from mersearch.counted import counted
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.cache_index import Prepared
from mersearch.data.cache_load import load
from mersearch.data.clips import DataSet
from mersearch.data.folds import folds, require_subjects
from mersearch.data.subset import without
from mersearch.errors import ConfigError
from mersearch.holdings import Holdings, fitted
from mersearch.material import require_material
from mersearch.numerics import Mode, mode_on, require_precision, with_folds
from mersearch.preparation import Material, Report, preprocess, read
from mersearch.provenance import describe
from mersearch.search.samplers import require_installed
from mersearch.search.worker import Study
from mersearch.store import FoldPlan


@dataclass(frozen=True, slots=True)
class Ready:
    """A configuration with its data preprocessed and checked.

    Attributes:
        study: for the workers; its configuration does without what the data lack.
        provenance: code, data, numeric mode and environment.
        remarks: lines that the user should see.
    """

    study: Study
    provenance: dict[str, Any]
    remarks: tuple[str, ...] = ()


AskedMode = Mode | Callable[[], Mode]
"""A numeric mode, or how to learn it: asked once, when all else is ready."""


def waiting(config: Config, folds: int) -> str:
    """What is said before a cluster may start machines: how many, and what for at the most."""
    growth, trials = config.cluster, config.search.trials
    most = f"at most {counted(trials, 'trial')} of {counted(folds, 'fold')}"
    if growth.max_workers is not None:
        size = f"{growth.worker_cpus:g} CPU and {growth.worker_gpus:g} GPU"
        most = f"at most {growth.max_workers} machines of {size} beside its head, for {most}"
    if config.search.gpu_hours is not None:
        most += f" and {config.search.gpu_hours:g} GPU-hours"
    return f"asking the cluster for workers: {most}"


def known(mode: AskedMode) -> Mode:
    """The numeric mode, asked for where that is needed."""
    return mode() if callable(mode) else mode


def make_ready(config: Config, report: Report, mode: AskedMode | None = None) -> Ready:
    """Read and preprocess the data of `config`, and check that every configuration of its space can use them.

    Args:
        config: what is made ready.
        report: takes the progress.
        mode: numeric mode of the workers, a question for it is put last; that of this machine by default.

    Raises:
        ConfigError: the algorithm needs what is not there.
        DataError: a database breaks a rule, or has one subject.
        Interrupted: the disk is full, or an interrupt came; preprocessed clips are kept.
    """
    asked = mode or current_mode(config)
    material = read(config, report)
    if not callable(asked):
        require_cards(config, asked)
        require_precision(asked)
    require_installed(config.search.sampler)
    fit = fitted(config, Holdings.of(material))
    config = fit.config
    used = material.without(config.data.without)
    require_subjects(used.micro.subjects)
    require_material(config, shapes_of(config, used), material.macro is not None)
    choice = None if callable(asked) else settled(config, used, asked, report)
    if choice is not None:
        config = choice.applied(config)
    if not callable(asked):
        require_backend(config, str(asked["device"]))
    prepared = preprocess(config, material, report)
    dataset = without(load(prepared.micro, prepared.macro), config.data.without)
    plan = fold_plan(dataset, config.folds.chunk)
    if callable(asked):
        report(waiting(config, len(plan)), 0, 0)
    now = with_folds(known(asked), config)
    require_cards(config, now)
    require_backend(config, str(now["device"]))
    study = study_of(config, prepared, plan, now)
    provenance = describe(config, material, prepared, now)
    if choice is None:
        return Ready(study, provenance, fit.remarks)
    remarks = (*fit.remarks, f"folds.batch=auto: {choice.line}")
    return Ready(study, {**provenance, "measured": choice.facts()}, remarks)


def settled(config: Config, material: Material, mode: Mode, report: Report) -> Choice | None:
    """The back-end and chunk that are fastest here, where `folds.batch=auto` leaves them open; else None."""
    if config.folds.batch == "fixed":
        return None
    report("measuring the cost of a fold", 0, 0)
    return choose(config, material, shapes_of(config, material), mode)


def require_backend(config: Config, device: str) -> None:
    """Raise ConfigError where the back-end of the folds cannot train on the device, or would leave cores idle."""
    folds, cores = config.folds, int(config.trial.cpus)
    if folds.backend.endswith("-graph") and device != "cuda":
        raise ConfigError(
            f"folds.backend={folds.backend} captures CUDA graphs",
            received=f"trials on {device}",
            fix="folds.backend=loop, fused or processes",
        )
    if folds.backend != "processes":
        return
    if device != "cpu":
        raise ConfigError(
            "folds.backend=processes trains on processors",
            received=f"trials on {device}",
            fix="folds.backend=fused or loop on a card; trial.gpus=0 trains on processors",
        )
    if folds.chunk < cores:
        raise ConfigError(
            "folds.backend=processes trains the folds of a chunk side by side, one per core of the trial",
            received=f"folds.chunk={folds.chunk}, trial.cpus={config.trial.cpus:g}",
            fix=f"folds.chunk={cores} or a multiple of it, or folds.batch=auto",
        )


def require_cards(config: Config, mode: Mode) -> None:
    """Raise ConfigError for a budget of cards where trials run on processors."""
    if config.search.gpu_hours is not None and mode["device"] != "cuda":
        raise ConfigError(
            "search.gpu_hours counts cards",
            received=f"search.gpu_hours={config.search.gpu_hours:g}, and the trials run on processors",
            fix="search.time_budget=8h limits the time of the command, search.trials the trials",
        )


def study_of(config: Config, prepared: Prepared, plan: FoldPlan, mode: Mode) -> Study:
    """What the workers are sent: where the caches are, by absolute paths."""
    macro = None if prepared.macro is None else prepared.macro.absolute()
    return Study(
        prepared.micro.absolute(),
        macro,
        prepared.digest,
        plan,
        config,
        mode,
        folder_of(config.algorithm.name),
    )


def fold_plan(dataset: DataSet, chunk: int) -> FoldPlan:
    """The folds of a data set in the frozen order."""
    classes = len(dataset.shapes.emotions)
    emotion = dataset.micro.labels.emotion
    order = folds(dataset)
    counts = tuple(
        tuple(int(count) for count in np.bincount(emotion[fold.test], minlength=classes)) for fold in order
    )
    return FoldPlan(tuple(fold.subject for fold in order), chunk, dataset.shapes.emotions, counts)


def current_mode(config: Config) -> Mode:
    """The numeric mode in which this machine trains this configuration.

    Raises:
        ConfigError: a card is asked for, and torch sees none here.
    """
    import torch

    wanted = config.trial.gpus
    cards = torch.cuda.device_count()
    device = "cuda" if (cards if wanted == "auto" else wanted) else "cpu"
    if device == "cuda" and not cards:
        raise ConfigError(
            "trial.gpus needs a card that torch can use",
            received=f"trial.gpus={wanted}, and no card is visible",
            fix="trial.gpus=0 trains on the CPU; mersearch doctor says what torch sees",
        )
    return mode_on(config, device)


def shapes_of(config: Config, material: Material) -> Shapes:
    """The shapes that the preprocessed data will have, of a configuration that was fitted to them."""
    return Shapes(
        frames=config.preprocess.frames,
        size=config.preprocess.size,
        views=Holdings.of(material).views,
        emotions=material.micro.classes,
        macro_emotions=() if material.macro is None else material.macro.classes,
        action_units=ACTION_UNITS,
        subjects=len(material.micro.subjects),
    )

"""A run is created, or opened again: the same path for `launch`, `resume` and `evaluate`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mersearch.algorithm import Shapes, settings_from
from mersearch.config.importing import algorithm_class
from mersearch.config.load import load as load_config
from mersearch.config.records import Config
from mersearch.config.sources import Sources
from mersearch.data.action_units import ACTION_UNITS
from mersearch.data.cache_index import INDEX, Prepared
from mersearch.data.cache_load import load
from mersearch.data.clips import DataSet
from mersearch.data.folds import folds, require_subjects
from mersearch.errors import ConfigError, DataError
from mersearch.numerics import Mode, difference, numeric_mode
from mersearch.preparation import Material, Report, preprocess, read
from mersearch.provenance import describe, sources
from mersearch.search.worker import Study
from mersearch.space import Choice
from mersearch.store import FoldPlan, RunDirectory, is_run

EXTENDABLE = ("search.trials", "search.concurrency")
"""Keys that may change when a run goes on; every other key is part of what its numbers mean."""
PLACES = ("run.root", "run.name", "data.root", "macro.root", "preprocess.cache")
"""Keys that may change because files moved; the digest of the data guards them."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A configuration with its data preprocessed and checked.

    Attributes:
        provenance: code, data, numeric mode and environment.
    """

    study: Study
    provenance: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """A run on disk, ready to be worked on.

    Attributes:
        config: as it is stored now.
        new: whether this call created the run.
        remarks: lines that the user should see.
    """

    run: RunDirectory
    config: Config
    study: Study
    new: bool
    remarks: tuple[str, ...]


def location(config: Config) -> Path:
    """The folder of the run."""
    return Path(config.run.root).expanduser() / config.run.name


def make_ready(config: Config, report: Report) -> Ready:
    """Read and preprocess the data of `config`, and check that every configuration of its space can use them.

    Raises:
        ConfigError: the algorithm needs what is not there.
        DataError: a database breaks a rule, or has one subject.
        Interrupted: the disk is full, or an interrupt came; preprocessed clips are kept.
    """
    mode = current_mode(config)
    material = read(config, report)
    require_subjects(material.micro.subjects)
    require_material(config, shapes_of(config, material), material.macro is not None)
    prepared = preprocess(config, material, report)
    dataset = load(prepared.micro, prepared.macro)
    plan = fold_plan(dataset, config.folds.chunk)
    return Ready(_study(config, prepared, plan, mode), describe(config, material, prepared, mode))


def open_run(config: Config, report: Report) -> Opened:
    """Create the run of `config`, or open it where it exists.

    Raises:
        ConfigError: the run exists with another configuration, or as `make_ready`.
        DataError: a database breaks a rule, or is not the one of the launch.
        RunError: the folder cannot be used.
        Interrupted: as `make_ready`.
    """
    path = location(config)
    if is_run(path):
        return _reopen(RunDirectory.open(path), config, report)
    RunDirectory.require_free(path)
    ready = make_ready(config, report)
    run = RunDirectory.create(
        path, config=config.to_dict(), provenance=ready.provenance, plan=ready.study.plan
    )
    return Opened(run, config, ready.study, new=True, remarks=())


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
    """The numeric mode in which this machine trains this configuration."""
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
    return numeric_mode(max(1, int(config.trial.cpus)), config.folds.chunk, config.folds.backend, device)


def shapes_of(config: Config, material: Material) -> Shapes:
    """The shapes that the preprocessed data will have."""
    return Shapes(
        frames=config.preprocess.frames,
        size=config.preprocess.size,
        views=("rgb", "flow"),
        emotions=material.micro.classes,
        macro_emotions=() if material.macro is None else material.macro.classes,
        action_units=ACTION_UNITS,
        subjects=len(material.micro.subjects),
    )


def require_material(config: Config, shapes: Shapes, macro: bool) -> None:
    """Raise ConfigError unless every configuration of the space finds the views and clips it needs."""
    cls = algorithm_class(config.algorithm.name)
    present = {*shapes.views, *(("macro",) if macro else ())}
    variants: list[Mapping[str, Any]] = [{}]
    for dimension in config.space.parameters:
        if isinstance(dimension, Choice):
            variants += [{dimension.path: choice} for choice in dimension.choices]
    for variant in variants:
        chosen = ", ".join(f"{path}={value}" for path, value in variant.items()) or "the configuration"
        try:
            settings = settings_from(cls.Settings, config.with_parameters(variant))
        except ValueError as error:
            fix = "leave this option out of the space, or change the settings that it contradicts"
            raise ConfigError(f"{chosen} cannot be used", received=str(error), fix=fix) from error
        missing = sorted(cls(settings, shapes).needs() - present)
        if missing:
            fixes = {"macro": "give macro=ckplus macro.root=…"}
            raise ConfigError(
                f"{config.algorithm.name} needs {' and '.join(missing)}"
                f"{' clips' if 'macro' in missing else ''}, which the data do not have",
                received=f"{chosen}; there is {', '.join(sorted(present))}",
                fix=f"{fixes.get(missing[0], 'prepare that view')}, or turn off the settings that use it "
                "(see docs/quintuplet.md, 'Without macro clips')",
            )


def _reopen(run: RunDirectory, config: Config, report: Report) -> Opened:
    changed = _differences(run.config, config.to_dict())
    conflicts = [
        f"{key}: {old!r} → {new!r}" for key, old, new in changed if key not in (*EXTENDABLE, *PLACES)
    ]
    if conflicts:
        raise ConfigError(
            f"the run {run.path} exists with another configuration",
            received="; ".join(conflicts[:6]) + ("; …" if len(conflicts) > 6 else ""),
            fix=f"choose another run.name=…, or go on with it as it is: mersearch resume {run.path}",
        )
    stored, mode = run.provenance["mode"], current_mode(config)
    remarks = [f"{key}: {old} → {new}" for key, old, new in changed]
    if other := difference(stored, mode):
        remarks.append(
            "another numeric mode than at launch, so new predictions agree within tolerance only: "
            + "; ".join(other)
        )
    if run.provenance["code"]["sources"] != sources(config.algorithm.name):
        remarks.append(
            "other code than at launch, so new predictions may differ from what the old code would have given"
        )
    prepared = _prepared(run, config, report)
    return Opened(run, config, _study(config, prepared, run.plan, mode), new=False, remarks=tuple(remarks))


def _prepared(run: RunDirectory, config: Config, report: Report) -> Prepared:
    data = run.provenance["data"]
    caches = [Path(folder) for folder in data["caches"]]
    if all((folder / INDEX).is_file() for folder in caches):
        macro = caches[1] if len(caches) > 1 else None
        return Prepared(caches[0], macro, data["digest"], ())
    prepared = preprocess(config, read(config, report), report)
    if prepared.digest != data["digest"]:
        raise DataError(
            "a run goes on with the data it was launched with",
            received=f"data {prepared.digest[:12]}, launched with {data['digest'][:12]}",
            fix="restore the database, or start a new run with another run.name",
        )
    return prepared


def _study(config: Config, prepared: Prepared, plan: FoldPlan, mode: Mode) -> Study:
    macro = None if prepared.macro is None else prepared.macro.absolute()
    return Study(prepared.micro.absolute(), macro, prepared.digest, plan, config, mode)


def extend(run: RunDirectory, overrides: Sequence[str]) -> Config:
    """The stored configuration with the keys changed that may change when a run goes on.

    Raises:
        ConfigError: a key that is part of what the run's numbers mean, or a bad value.
        RunError: the stored configuration cannot be read.
    """
    values = run.config
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or key not in EXTENDABLE:
            raise ConfigError(
                f"a run goes on with its own configuration; only {' and '.join(EXTENDABLE)} may change",
                received=override,
                fix="start a new run for another configuration: mersearch launch SPACE run.name=… …",
            )
        run.setting("search", name := key.partition(".")[2])
        values["search"][name] = _value(override, text)
    sources = Sources.of_file(run.path / "config.yaml")
    typed = tuple((override.partition("=")[0], override) for override in overrides)
    config = load_config(values, dataclasses.replace(sources, overrides=typed))
    where = dataclasses.replace(config.run, root=str(run.path.parent), name=run.path.name)
    return dataclasses.replace(config, run=where)


def _value(override: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        fix = "write a number, as in search.trials=150"
        raise ConfigError("a value is written as in YAML", received=override, fix=fix) from error


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    found = []
    for key in dict.fromkeys([*old, *new]):
        path, before, after = f"{prefix}{key}", old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += _differences(before, after, f"{path}.")
        elif before != after:
            found.append((path, before, after))
    return found

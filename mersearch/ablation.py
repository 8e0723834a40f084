"""A configuration with each of its parts taken away in turn, as one run whose trials are given."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from mersearch.algorithm import settings_from
from mersearch.config.importing import algorithm_class
from mersearch.config.load import load
from mersearch.config.records import Ablation, Config
from mersearch.config.sources import Source, Sources
from mersearch.errors import ConfigError

FULL = "full"
"""Name of the configuration with all its parts, trial 0."""
DECIDED = ("search.trials", "search.points", "search.scheduler", "search.sampler")
"""Keys that an ablation sets itself."""
Point = dict[str, Any]


def ablation(config: Config, *, name: str = "", exported: str = "") -> Config:
    """The run that shows what each part of `config` is worth.

    Trial 0 is the configuration itself, every other trial one ablation of its algorithm; all on the same folds and
    with the same seed, none stopped.

    Args:
        config: one configuration, nothing to search.
        name: of the run; `<name of the configuration's run>-ablation` by default.
        exported: run and trial that the configuration was exported from, for the report.

    Raises:
        ConfigError: the algorithm names no ablations, names broken ones, or every part is off.
        Several: more than one ablation is broken.
    """
    changes, off = _changes(config)
    if not changes:
        raise ConfigError(
            "an ablation takes away a part that is on",
            received=f"{config.algorithm.name}: {', '.join(off) or 'no ablation'} off already",
            fix="ablate a configuration that uses more of its parts",
        )
    points = [{}, *changes.values()]
    search = dataclasses.replace(
        config.search, trials=len(points), points=tuple(points), scheduler="none", sampler="random"
    )
    whole = dataclasses.replace(
        config,
        run=dataclasses.replace(config.run, name=name or f"{config.run.name}-ablation"),
        search=search,
        ablation=Ablation((FULL, *changes), off, exported),
    )
    return load(whole.to_dict(), Sources((Source(f"ablations of {config.algorithm.name}", {}),)))


def require_free(overrides: Sequence[str]) -> set[str]:
    """Raise ConfigError where an override sets what an ablation decides itself; the keys of all overrides."""
    keys = {text.partition("=")[0].lstrip("+~") for text in overrides}
    if taken := sorted(keys & set(DECIDED)):
        raise ConfigError(
            "an ablation runs every variant on all folds",
            received=", ".join(text for text in overrides if text.partition("=")[0].lstrip("+~") in taken),
            fix=f"leave {' and '.join(taken)} out",
        )
    return keys


def _changes(config: Config) -> tuple[dict[str, Point], tuple[str, ...]]:
    """Name → point of the ablations that change something; the names of the others.

    Two of one effect on this configuration are one, under both names: also where one of them sets beside it what is
    set already.
    """
    found: list[tuple[str, Point, Point]] = []
    off: list[str] = []
    for name, change in _named(config).items():
        point = {f"algorithm.{path}": value for path, value in change.items()}
        effect = config.with_parameters(point)
        same = [place for place, (_, _, known) in enumerate(found) if known == effect]
        if effect == config.algorithm.settings:
            off.append(name)
        elif same:
            other, first, _ = found[same[0]]
            found[same[0]] = (f"{other} = {name}", first, effect)
        else:
            found.append((name, point, effect))
    return {name: point for name, point, _ in found}, tuple(off)


def _named(config: Config) -> Mapping[str, Mapping[str, Any]]:
    """What the class of the algorithm says."""
    cls = algorithm_class(config.algorithm.name)
    method = getattr(cls, "ablations", None)
    if method is None:
        raise ConfigError(
            f"{config.algorithm.name} names no ablations",
            fix="give the class a static method ablations(settings) that returns name → {setting: value}",
        )
    found = method(settings_from(cls.Settings, config.algorithm.settings))
    if not isinstance(found, Mapping) or not all(isinstance(change, Mapping) for change in found.values()):
        raise ConfigError(
            f"ablations of {config.algorithm.name} must map a name to settings and values",
            received=repr(found),
            fix='return {"− mask": {"mask.enabled": False}, …}',
        )
    return found


def announcement(named: Ablation | None) -> list[str]:
    """What the trials of an ablation are, at most 80 columns; nothing for a search."""
    if named is None:
        return []
    trials = ", ".join(_glued(f"{number} {variant}") for number, variant in enumerate(named.variants))
    off = f"; off already: {', '.join(map(_glued, named.already_off))}" if named.already_off else ""
    lines = textwrap.wrap(f"Trials: {trials}{off}.", 80, subsequent_indent="    ")
    return [line.replace("\0", " ") for line in lines]


def _glued(name: str) -> str:
    """A name that is not broken over lines."""
    return name.replace(" ", "\0")

"""The samplers of Optuna that a search may use, and what is to be said about each."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Final

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from mersearch.config.records import Search
from mersearch.counted import counted
from mersearch.errors import ConfigError
from mersearch.space import Space

BLIND: Final = ("random", "qmc")
"""Samplers that do not look at scores."""
GENERATION: Final = "NSGAIISampler:generation"
"""Attribute of a trial in which the sampler of Optuna keeps its generation."""


def sampler_of(name: str, seed: int, startup: int) -> BaseSampler:
    """A fresh sampler.

    Args:
        name: `tpe`, `gp`, `nsga2` or `random`.
        seed: of its generator.
        startup: trials with a score before it learns; the size of a generation of `nsga2`.

    Raises:
        ConfigError: there is no such sampler, or what it needs is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return optuna.samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, n_startup_trials=startup, seed=seed
            )
        if name == "gp":
            require_installed(name)
            return optuna.samplers.GPSampler(
                n_startup_trials=startup, seed=seed, warn_independent_sampling=False
            )
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(population_size=max(2, startup), seed=seed)
        if name == "random":
            return optuna.samplers.RandomSampler(seed=seed)
    raise ConfigError(
        "search.sampler must be one of tpe, gp, nsga2, qmc, random", received=name, fix="search.sampler=tpe"
    )


def require_installed(name: str) -> None:
    """Raise ConfigError where a sampler needs a package that is not there."""
    if name == "gp" and importlib.util.find_spec("scipy") is None:
        raise ConfigError(
            "search.sampler=gp needs SciPy", received="it is not installed", fix="pip install scipy"
        )


def generations(trials: Sequence[FrozenTrial], startup: int) -> list[FrozenTrial]:
    """The trials with the generation that `nsga2` would have given them: so many scored ones each, by number.

    Optuna keeps it in the study, which is built afresh for every proposal here.
    """
    scored = 0
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            trial.system_attrs[GENERATION] = scored // max(2, startup)
            scored += 1
    return list(trials)


def remarks(search: Search, space: Space) -> list[str]:
    """What a user should know of the chosen sampler; empty for the default, and where nothing is proposed."""
    if not space.parameters:
        return []
    conditional = sum(bool(dimension.when) for dimension in space.parameters)
    name, found = search.sampler, []
    if name == "gp" and conditional:
        found.append(
            f"search.sampler=gp draws {counted(conditional, 'parameter')} at random: "
            "those that exist only under a condition"
        )
    if name == "gp" and search.trials > 300:
        found.append(
            "search.sampler=gp takes time with the cube of the trials: minutes per proposal at a thousand"
        )
    if name == "nsga2" and search.trials < 10 * search.startup:
        found.append(
            f"search.sampler=nsga2 learns between generations of {max(2, search.startup)} trials (search.startup): "
            f"{search.trials} trials are few for it, tpe learns from every trial"
        )
    if search.second_objective == "seconds":
        found.append(
            f"the sampler trades {search.metric} for seconds per fold, which are measured: such a search does not "
            f"repeat exactly. The best trial is still the one with the highest {search.metric}"
        )
    if name in BLIND:
        found.append(f"search.sampler={name} does not learn from scores: as a baseline, or for a first look")
    return found

"""What an earlier run tells the sampler of a new one: `search.warm_start`.

A trial of the earlier run counts where it is a point of the new search space: every setting that the new space
searches lies in its range, and everything else that is trained with is the same. It is frozen into the new run when
that is launched, so that what happens to the earlier run later changes no proposal.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mersearch.config.records import Config
from mersearch.counted import counted
from mersearch.errors import ConfigError, RunError, raise_all
from mersearch.front import fold_cost
from mersearch.ledger import WARM_START, pinned, trained
from mersearch.sameness import Source, data_differences, listed
from mersearch.search.projection import comparable_score
from mersearch.space import Space, is_active
from mersearch.space.dimension import same
from mersearch.store import Parameters, RunDirectory


@dataclass(frozen=True, slots=True)
class Scored:
    """A configuration of an earlier run, with its full or projected score and its compute time per fold."""

    parameters: Parameters
    score: float
    seconds: float = 0.0


def find_earlier(config: Config) -> RunDirectory | None:
    """The run that `search.warm_start` names, a path or a name under `run.root`; None where the key is not set.

    Raises:
        RunError: there is no such run.
    """
    named = config.search.warm_start
    if named is None:
        return None
    try:
        return RunDirectory.find(named, Path(config.run.root).expanduser())
    except RunError as error:
        raise RunError(
            f"search.warm_start names a run: {error.rule}",
            received=error.received,
            fix="a path, or the name of a run under run.root; or leave it out",
        ) from error


def warm_start(config: Config, now: Source, earlier: RunDirectory) -> dict[str, Any]:
    """What `provenance.json` of a new run holds of an earlier one: name, place, how many trials count, and these.

    Stopped trials count with their score projected to all folds, failed and running ones not at all. The seed of the
    training may differ.

    Raises:
        DataError, Several: the earlier run is about other clips.
        ConfigError: none of its trials is a point of the search space.
    """
    raise_all(data_differences(now, Source.of(earlier)))
    state, metric = earlier.read(), config.search.metric
    best = state.best(metric)
    scored = [
        (trial, score)
        for trial in state.trials.values()
        if (score := comparable_score(trial, best, metric)) is not None
    ]
    settings = trained(config.to_dict(), config.data.labels)
    before = trained(earlier.config, earlier.provenance["data"]["labels"])
    points = [
        (point_of(config.space, settings, pinned(before, t.parameters)), t, score) for t, score in scored
    ]
    found = [
        {"parameters": point, "score": score, "seconds": fold_cost(trial)}
        for point, trial, score in points
        if point is not None
    ]
    if not found:
        others = [pinned(before, trial.parameters) for trial, _ in scored[:1]]
        raise ConfigError(
            "search.warm_start needs a run with trials that are points of the search space",
            received=f"{earlier.path}: {counted(len(scored), 'trial')} with a score"
            + "".join(f", {_why_no_point(config.space, settings, other)}" for other in others),
            fix="leave it out, or search the same settings with the same algorithm and preprocessing",
        )
    return {"run": earlier.name, "path": str(earlier.path.absolute()), "scored": len(scored), "trials": found}


def scored_in(provenance: Mapping[str, Any]) -> tuple[Scored, ...]:
    """The trials of the earlier run, as they were frozen into a run; empty without one."""
    rows = provenance.get(WARM_START, {}).get("trials", [])
    return tuple(Scored(dict(row["parameters"]), float(row["score"]), float(row["seconds"])) for row in rows)


def remarks(provenance: Mapping[str, Any]) -> list[str]:
    """What is to be said when a search with an earlier run starts."""
    about = provenance.get(WARM_START)
    if not about:
        return []
    count, scored = len(about["trials"]), about["scored"]
    rest = "" if count == scored else f"; the other {scored - count} are no points of this space"
    return [f"the sampler starts with {count} of {scored} trials of {about['run']}{rest}"]


def point_of(space: Space, settings: Mapping[str, Any], other: Mapping[str, Any]) -> Parameters | None:
    """The point of the space that trains with the settings `other`; None where none does.

    Args:
        space: what is searched.
        settings: what is trained with, where the space does not say otherwise.
        other: the same sections of another configuration, with every parameter in its place.
    """
    values: Parameters = {}
    for dimension in space.parameters:
        if is_active(dimension, values):
            value = _get(other, dimension.path)
            if not dimension.contains(value):
                return None
            values[dimension.path] = value
    return values if not _differing(space, settings, other) else None


def _why_no_point(space: Space, settings: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What keeps settings from being a point of the space."""
    if differing := _differing(space, settings, other):
        return f"which differ in {listed(differing)}"
    values = {dimension.path: _get(other, dimension.path) for dimension in space.parameters}
    outside = [d for d in space.parameters if is_active(d, values) and not d.contains(values[d.path])]
    return f"outside of what is searched for {listed([f'{d.path} ({values[d.path]})' for d in outside])}"


def _differing(space: Space, settings: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Dotted keys beside the space, and beside the seed, in which the two differ."""
    searched = set(space.paths)
    one, two = (dict(_leaves(values)) for values in (settings, other))
    keys = dict.fromkeys([*one, *two])
    return [key for key in keys if key not in searched | {"seed"} and not same(one.get(key), two.get(key))]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _get(values: Mapping[str, Any], path: str) -> Any:
    node: Any = values
    for key in path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return copy.copy(node)

"""Nested plain values → a valid `Config`, or every broken rule with the place that broke it."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mersearch.algorithm import settings_from
from mersearch.config.fields import SettingsFields
from mersearch.config.importing import algorithm_class
from mersearch.config.points import is_whole, read_points, where
from mersearch.config.records import (
    Ablation,
    AlgorithmConfig,
    Config,
    Data,
    Folds,
    Growth,
    Macro,
    Run,
    Search,
    Trial,
)
from mersearch.config.schema import Schema, build
from mersearch.config.sources import Sources
from mersearch.config.types import Leaf
from mersearch.data.preprocess import Preprocess
from mersearch.errors import ConfigError, MersearchError, Several, raise_all
from mersearch.metrics import METRICS
from mersearch.space import Space
from mersearch.space.conditions import resolve
from mersearch.space.parse import parse
from mersearch.space.problem import Problem, unknown_key

TEXT = Leaf(str, {})
PATHS = {"run": ("ledger",), "data": ("root", "roots"), "macro": ("root",), "preprocess": ("landmarks",)}
SECTIONS: dict[str, tuple[type[Any], dict[str, Leaf]]] = {
    "run": (Run, {}),
    "data": (Data, {}),
    "macro": (Macro, {}),
    "preprocess": (Preprocess, {"cache": TEXT}),
    "search": (Search, {}),
    "trial": (Trial, {}),
    "cluster": (Growth, {}),
    "folds": (Folds, {}),
}
KEYS = (*SECTIONS, "algorithm", "space", "fixed", "ablation", "exported")


def read_back(values: Mapping[str, Any], file: Path | str = "config.yaml") -> Config:
    """The configuration that `Config.to_dict` gave, validated again.

    Args:
        values: Nested plain values.
        file: Where they were read; errors name it, with lines if it can be read.

    Raises:
        ConfigError: One rule is broken.
        Several: More than one is.
    """
    return load(values, Sources.of_file(Path(file)))


def load(
    values: Mapping[str, Any],
    sources: Sources,
    *,
    overridden: Collection[str] = (),
    unsearched: Collection[str] = (),
) -> Config:
    """The configuration of composed values.

    Args:
        values: Nested plain values with the keys of the YAML.
        sources: For the places that errors name.
        overridden: Dotted keys that overrides set; a searched one is fixed thereby.
        unsearched: Dotted keys that overrides deleted from the search space.

    Raises:
        ConfigError: One rule is broken.
        Several: More than one is.
    """
    loading = _Loading(sources)
    for key in values:
        if key not in KEYS:
            loading.complain(unknown_key(str(key), str(key), KEYS))
    sections = {name: loading.section(name, values) for name in SECTIONS}
    if sections["run"]:
        loading.path("run.root", sections["run"].root)
    cache = loading.path("preprocess.cache", values["preprocess"]["cache"]) if sections["preprocess"] else ""
    algorithm, fields = loading.algorithm(values.get("algorithm", {}))
    space, fixed = loading.space(values.get("space"), fields, {*overridden, *unsearched})
    earlier = loading.fixed(values.get("fixed"))
    loading.exported(values.get("exported"))
    sections["search"] = loading.points(sections["search"], fields, space, overridden)
    ablation = loading.ablation(values.get("ablation"), sections["search"])
    raise_all(loading.errors)
    assert algorithm is not None
    assert fields is not None
    deleted = [path for path in unsearched if fields.unknown(path) is None]
    config = Config(
        **sections,
        cache=cache,
        algorithm=algorithm,
        space=space,
        fixed=tuple(dict.fromkeys((*earlier, *deleted, *fixed))),
        ablation=ablation,
        given=frozenset(path for path in fields.paths if sources.names(path)),
    )
    loading.settings_of_points(config)
    raise_all(loading.errors)
    return config


class _Loading:
    """Collects the errors of all sections."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.errors: list[MersearchError] = []

    def complain(self, problem: Problem) -> None:
        """Note a broken rule with its place."""
        self.errors.append(problem.error(self.sources.place(problem.path)))

    def attempt(self, make: Callable[[], Any], path: str, broken: Collection[str] = ()) -> Any:
        """What `make` returns, or None with the errors that it raised noted at their places.

        Errors that name a key of `broken` are left out: those keys are told of already.
        """
        try:
            return make()
        except (ConfigError, Several) as error:
            for single in error.errors if isinstance(error, Several) else (error,):
                if any(key in f"{single.rule} {single.received}" for key in broken):
                    continue
                named = re.match(r"[\w.]+", single.rule)
                key = named[0] if named and named[0].startswith(f"{path}.") else path
                rule = f"{self.sources.place(key)}: {single.rule}"
                self.errors.append(ConfigError(rule, received=single.received, fix=single.fix))
        except ValueError as error:
            self.complain(Problem(path, f"cannot be used: {error}"))
        return None

    def path(self, key: str, text: str) -> str:
        """The path as it is from anywhere, with the home filled in."""
        try:
            return str(Path(text).expanduser().absolute())
        except RuntimeError:
            self.complain(Problem(key, "names a home that is not there", text, "write the whole path"))
            return text

    def paths(self, key: str, value: Any) -> Any:
        """`path` of one, or of every value of a mapping; null stays null."""
        if isinstance(value, Mapping):
            return {name: self.path(f"{key}.{name}", inside) for name, inside in value.items()}
        return value and self.path(key, value)

    def section(self, name: str, values: Mapping[str, Any]) -> Any:
        """The record of one section, or None with the errors noted."""
        record, extra = SECTIONS[name]
        schema, given = Schema(record, name, extra, self.sources.beneath), values.get(name, {})
        checked, problems = schema.check(given)
        for problem in problems:
            self.complain(problem)
        if problems:
            broken = [problem.path for problem in problems]
            checked, more = schema.check(_without(given, broken))
            if not more:
                self.attempt(lambda: build(record, checked), name, broken)
            return None
        for key in PATHS.get(name, ()):
            checked[key] = self.paths(f"{name}.{key}", checked[key])
        return self.attempt(lambda: build(record, checked), name)

    def algorithm(self, values: Any) -> tuple[AlgorithmConfig | None, SettingsFields | None]:
        """The algorithm with all its settings, and how the search space sees them."""
        name = values.get("name") if isinstance(values, Mapping) else None
        if not isinstance(name, str) or name == "???":
            fix = "give algorithm.name=module:Class, or a group: algorithm=…"
            self.complain(Problem("algorithm.name", "is required", fix=fix))
            return None, None
        cls = self.attempt(lambda: algorithm_class(name), "algorithm")
        if cls is None:
            return None, None
        schema = Schema(cls.Settings, "algorithm", {"name": TEXT}, self.sources.beneath)
        settings, problems = schema.check(values)
        for problem in problems:
            self.complain(problem)
        if problems:
            return None, SettingsFields(schema, None)
        del settings["name"]
        self.attempt(lambda: settings_from(cls.Settings, settings), "algorithm")
        return AlgorithmConfig(name, _lists(settings)), SettingsFields(schema, settings)

    def space(
        self, nested: Any, fields: SettingsFields | None, overridden: Collection[str]
    ) -> tuple[Space, tuple[str, ...]]:
        """The search space without what overrides fixed, and the paths they fixed."""
        if nested is None:
            return Space(), ()
        if not isinstance(nested, Mapping):
            self.complain(Problem("space", "must hold keys with values", repr(nested)))
            return Space(), ()
        dimensions, problems = parse(nested, fields)
        if fields is not None and fields.known:
            fixed = {path for path in fields.paths if _covers(overridden, path)}
            resolved = resolve(dimensions, fields, fixed)
            parameters, dropped = resolved.parameters, resolved.dropped
            problems += resolved.problems
        else:
            parameters, dropped = (), ()
        for problem in problems:
            self.complain(problem)
        return Space(parameters), dropped

    def fixed(self, listed: Any) -> tuple[str, ...]:
        """The paths that overrides fixed when the file was written."""
        if listed is None:
            return ()
        if not isinstance(listed, list | tuple) or not all(isinstance(path, str) for path in listed):
            fix = "list dotted keys, or leave it out"
            self.complain(Problem("fixed", "must be a list, each text", repr(listed), fix))
            return ()
        return tuple(listed)

    def points(
        self, search: Search | None, fields: SettingsFields | None, space: Space, overridden: Collection[str]
    ) -> Search | None:
        """The section `search` with its points as they are run."""
        if search is None or fields is None or not search.points:
            return search
        covered = {path for path in fields.paths if _covers(overridden, path)}
        points, problems = read_points(search.points, fields, space, covered)
        for problem in problems:
            self.complain(problem)
        return dataclasses.replace(search, points=points)

    def settings_of_points(self, config: Config) -> None:
        """Check that every point that leaves nothing to draw makes settings of the algorithm."""
        cls = algorithm_class(config.algorithm.name)
        for place, point in enumerate(config.search.points):
            if is_whole(point, config.space):
                settings = config.with_parameters(point)
                self.attempt(partial(settings_from, cls.Settings, settings), where(place))

    def ablation(self, nested: Any, search: Search | None) -> Ablation | None:
        """What the points stand for, None for a search."""
        if nested is None:
            return None
        checked, problems = Schema(Ablation, "ablation").check(nested)
        for problem in problems:
            self.complain(problem)
        if problems or search is None:
            return None
        found: Ablation = build(Ablation, checked)
        if len(found.variants) != len(search.points):
            received = f"{len(found.variants)} names, {len(search.points)} points"
            fix = "mersearch ablate CONFIG.yaml writes both"
            self.complain(Problem("ablation.variants", "must name every point of the run", received, fix))
        return found

    def exported(self, about: Any) -> None:
        """Check what an exported file says about itself."""
        if about is not None and not isinstance(about, Mapping):
            fix = "leave it out, or export the file again"
            self.complain(Problem("exported", "must hold keys with values", repr(about), fix))
            return
        fix = "leave exported: out, or export the file again"
        for name, value in (about or {}).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if name in METRICS and not number:
                self.complain(Problem(f"exported.{name}", "must be a number", repr(value), fix))
            elif name == "mode" and not isinstance(value, Mapping):
                self.complain(Problem("exported.mode", "must hold keys with values", repr(value), fix))


def _without(values: Any, paths: Collection[str]) -> Any:
    """A section without some of its keys, which are dotted and begin with its name."""
    kept = copy.deepcopy(values)
    for path in paths:
        *parents, name = path.split(".")[1:] or [""]
        node = kept
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(name, None)
    return kept


def _covers(overridden: Collection[str], path: str) -> bool:
    return any(path == key or path.startswith(f"{key}.") for key in overridden)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value

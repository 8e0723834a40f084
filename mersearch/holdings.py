"""What the data hold, and a configuration that does without what they lack.

A setting that a file, an override or a point gives is never changed: where the data do not have what it needs, that
is an error (`mersearch.material`). A default gives way, and so does a searched choice that has another option.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mersearch.config.importing import algorithm_class
from mersearch.config.load import load
from mersearch.config.records import Config
from mersearch.config.sources import Source, Sources
from mersearch.data.preprocess import Preprocess
from mersearch.data.table import View
from mersearch.errors import ConfigError
from mersearch.preparation import Material
from mersearch.space import Choice, Value
from mersearch.space.dimension import show

Change = dict[str, Any]
"""Dotted setting of the algorithm → value."""
WORDS = {"rgb": "no frames", "flow": "no flow", "macro": "no macro clips"}
SMALLEST = 8
"""Least `preprocess.size`."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What every clip of a study has.

    Attributes:
        views: what is there of micro and macro clips.
        macro: whether there are macro clips.
        maps: most maps of a clip whose flow is given and not computed, the fewer of micro and macro clips; 0 where
            all flow is computed.
        side: longest side of such a map, in pixels; 0 where all flow is computed.
    """

    views: tuple[View, ...]
    macro: bool
    maps: int = 0
    side: int = 0

    @classmethod
    def of(cls, material: Material) -> Holdings:
        """What the databases hold together."""
        databases = [d for d in (material.micro, material.macro) if d is not None]
        given = [[c.flow for c in d.clips if c.flow is not None] for d in databases]
        views: tuple[View, ...] = ("rgb", "flow")
        return cls(
            views=tuple(view for view in views if all(view in d.views for d in databases)),
            macro=material.macro is not None,
            maps=min((max(flow.length for flow in flows) for flows in given if flows), default=0),
            side=max((flow.side for flows in given for flow in flows), default=0),
        )

    @property
    def present(self) -> frozenset[str]:
        """Views and clips as `Algorithm.needs` names them."""
        return frozenset((*self.views, "macro") if self.macro else self.views)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A configuration that the data can serve as far as it lets itself be changed, and what that took in one line."""

    config: Config
    remark: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The line, where there is something to say."""
        return (self.remark,) if self.remark else ()


def fitted(config: Config, held: Holdings) -> Fitted:
    """`config` without what the data lack, by what the algorithm's `without` says, and without repeated maps.

    Raises:
        ConfigError: the algorithm names settings that it does not have.
        Several: more than one.
    """
    absent = [need for need in WORDS if need not in held.present]
    off = {need: changes for need in absent if (changes := _off(config, need))}
    every = [change for changes in off.values() for change in changes.values()]
    settings = {f"algorithm.{path}": value for change in every for path, value in change.items()}
    changed = _with(config, settings) if settings else config
    preprocess = _smaller(changed.preprocess, held)
    remark = " ".join(part for part in (_said(off), _measured(config.preprocess, preprocess, held)) if part)
    return Fitted(dataclasses.replace(changed, preprocess=preprocess), remark)


def _off(config: Config, need: str) -> dict[str, Change]:
    """Name → settings, of all that the algorithm would switch off for want of data and that may be."""
    method = getattr(algorithm_class(config.algorithm.name), "without", None)
    found = {} if method is None else method(need)
    if not isinstance(found, Mapping) or not all(isinstance(change, Mapping) for change in found.values()):
        raise ConfigError(
            f"without of {config.algorithm.name} must map a name to settings and values",
            received=repr(found),
            fix='return {"RGB view": {"views": "flow"}, …}',
        )
    due = {
        str(name): {
            path: value for path, value in change.items() if _gives_way(config, f"algorithm.{path}", value)
        }
        for name, change in found.items()
    }
    return {name: change for name, change in due.items() if change}


def _gives_way(config: Config, path: str, value: Value) -> bool:
    """Whether a setting is free to take a value, and has another one."""
    if any(path in point for point in config.search.points):
        return False
    for dimension in config.space.parameters:
        if dimension.path == path:
            return isinstance(dimension, Choice) and dimension.contains(value)
    if path in config.given:
        return False
    return config.with_parameters({path: value}) != config.algorithm.settings


def _with(config: Config, settings: Mapping[str, Value]) -> Config:
    """The configuration with these settings; they are not searched, nor is what cannot exist with them."""
    values = dataclasses.replace(
        config, algorithm=dataclasses.replace(config.algorithm, settings=config.with_parameters(settings))
    ).to_dict()
    places = Sources((Source("for want of data", {}),))
    again = load(values, places, overridden=tuple(settings))
    return dataclasses.replace(again, fixed=config.fixed, given=config.given)


def _smaller(settings: Preprocess, held: Holdings) -> Preprocess:
    """Without what would only repeat what there is: frames beyond the maps, pixels beyond theirs."""
    if not held.maps:
        return settings
    frames = 1 if held.maps == 1 else min(settings.frames, held.maps + 1)
    size = settings.size if "rgb" in held.views else min(settings.size, max(SMALLEST, held.side))
    return dataclasses.replace(settings, frames=frames, size=size)


def _said(off: Mapping[str, Mapping[str, Change]]) -> str:
    if not off:
        return ""
    lacking = " and ".join(WORDS[need] for need in off)
    named = [
        f"{name} ({', '.join(f'{path}={_shown(value)}' for path, value in change.items())})"
        for changes in off.values()
        for name, change in changes.items()
    ]
    return f"The data hold {lacking}, so this is off: {'; '.join(named)}."


def _measured(before: Preprocess, now: Preprocess, held: Holdings) -> str:
    keys = [
        f"preprocess.{key}={getattr(now, key)}"
        for key in ("frames", "size")
        if getattr(now, key) != getattr(before, key)
    ]
    if not keys:
        return ""
    count = "one map" if held.maps == 1 else f"at most {held.maps} maps"
    return f"Flow is given, {count} of {held.side} pixels a side per clip, so {', '.join(keys)}."


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else show(value)

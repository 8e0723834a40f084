"""Validation of nested plain values against frozen dataclasses, by pydantic models built from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from mersearch.config.types import Leaf, leaf_of, nested_record, record_fields
from mersearch.space.dimension import show
from mersearch.space.problem import Problem, did_you_mean, unknown_key

MISSING = "???"
_RULES = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class Schema:
    """What may stand under one key of the configuration.

    Args:
        record: Frozen dataclass, nested dataclasses allowed.
        path: Dotted key of the section.
        extra: Further keys of the section that the record does not have.
        beneath: Dotted key → what is said of the value that holds where it is left out; empty where that is the
            default.
    """

    def __init__(
        self,
        record: type[Any],
        path: str,
        extra: Mapping[str, Leaf] | None = None,
        beneath: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.record, self.path, self._beneath = record, path, beneath
        self.leaves: dict[str, Leaf] = {f"{path}.{name}": leaf for name, leaf in (extra or {}).items()}
        self.nodes: dict[str, list[str]] = {path: list(extra or ())}
        self._model = self._build(record, path, dict(extra or {}))
        self._adapters: dict[str, TypeAdapter[Any]] = {}

    def check(self, values: object) -> tuple[dict[str, Any], list[Problem]]:
        """The values with defaults filled in and numbers as the fields hold them, and every broken rule."""
        if not isinstance(values, Mapping):
            valid = did_you_mean("", self.nodes[self.path])
            return {}, [Problem(self.path, "must hold keys with values", repr(values), valid)]
        filled = filled_in(self.record, values)
        problems = [self._missing(path) for path in _unset(filled, self.path)]
        try:
            return self._model.model_validate(_tuples(filled)).model_dump(), problems
        except ValidationError as error:
            known = {problem.path for problem in problems}
            for detail in error.errors(include_url=False, include_context=False):
                problem = self._problem(detail["type"], [self.path, *map(str, detail["loc"])], filled)
                if problem.path not in known:
                    known.add(problem.path)
                    problems.append(problem)
            return {}, problems

    def accept(self, path: str, value: object) -> tuple[Any, str]:
        """The value as the leaf `path` holds it, and what the leaf demands where it refuses."""
        leaf = self.leaves[path]
        if path not in self._adapters:
            self._adapters[path] = TypeAdapter(leaf.constrained(), config=_RULES)
        try:
            return self._adapters[path].validate_python(_tuples(value)), ""
        except ValidationError:
            return value, leaf.describe()

    def unknown(self, path: str) -> Problem:
        """The problem of a path that is no leaf."""
        if path in self.nodes:
            return Problem(path, "is a group of keys", path, did_you_mean("", self.nodes[path]))
        parent, _, key = path.rpartition(".")
        while parent not in self.nodes and parent:
            parent, _, key = parent.rpartition(".")
        return unknown_key(path, key, self.nodes.get(parent, self.nodes[self.path]))

    def _build(self, record: type[Any], path: str, extra: Mapping[str, Leaf]) -> Any:
        fields: dict[str, Any] = {name: (leaf.constrained(), ...) for name, leaf in extra.items()}
        keys = self.nodes.setdefault(path, [])
        for name, (annotation, declared) in record_fields(record).items():
            keys.append(name)
            nested = nested_record(annotation)
            if nested is None:
                leaf = self.leaves[f"{path}.{name}"] = leaf_of(annotation, declared)
                fields[name] = (leaf.constrained(), ...)
            else:
                model = self._build(nested, f"{path}.{name}", {})
                fields[name] = (model if annotation is nested else model | None, ...)
        return create_model(record.__name__, __config__=_RULES, **fields)

    def _missing(self, path: str) -> Problem:
        return Problem(path, "is required", fix=f"give {path}=… on the command line, or set it in the file")

    def _default_of(self, path: str) -> str:
        """Advice that says what holds where a leaf is left out; empty where nothing does."""
        *parents, name = path.removeprefix(f"{self.path}.").split(".")
        record: type[Any] | None = self.record
        for parent in parents:
            record = nested_record(record_fields(record)[parent][0]) if record else None
        declared = record_fields(record).get(name) if record else None
        default = dataclasses.MISSING if declared is None else _default(declared[1])
        if default is dataclasses.MISSING:
            return ""
        if instead := self._beneath(path):
            return "" if default is None else instead
        shown = list(default) if isinstance(default, tuple) else default
        return f"leave it out for the default, {shown if isinstance(shown, str) else show(shown)}"

    def _problem(self, kind: str, location: list[str], values: Mapping[str, Any]) -> Problem:
        path = ".".join(location)
        if kind == "extra_forbidden":
            return unknown_key(path, location[-1], self.nodes[".".join(location[:-1])])
        if kind == "missing":
            return self._missing(path)
        while path not in self.leaves and path not in self.nodes:
            location = location[:-1]
            path = ".".join(location)
        received = repr(_get(values, location[1:]))
        if path in self.nodes:
            fix = did_you_mean("", self.nodes[path])
            return Problem(path, "must hold keys with values", received, fix)
        return Problem(path, f"must be {self.leaves[path].describe()}", received, self._default_of(path))


def filled_in(record: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with the defaults of the record where they have nothing; records inside are filled too."""
    filled = dict(values)
    for name, (annotation, declared) in record_fields(record).items():
        nested = nested_record(annotation)
        if name not in filled:
            default = _default(declared)
            if default is not dataclasses.MISSING:
                is_record = dataclasses.is_dataclass(default) and not isinstance(default, type)
                filled[name] = dataclasses.asdict(default) if is_record else default
            elif nested is annotation:
                filled[name] = {}
        if nested is not None and isinstance(filled.get(name), Mapping):
            filled[name] = filled_in(nested, filled[name])
    return filled


def build(record: type[Any], values: Mapping[str, Any]) -> Any:
    """The record of checked values; keys that are not fields are left out."""
    arguments = {}
    for name, (annotation, _) in record_fields(record).items():
        nested, value = nested_record(annotation), values[name]
        arguments[name] = build(nested, value) if nested is not None and value is not None else value
    return record(**arguments)


def _default(declared: dataclasses.Field[Any]) -> Any:
    factory = declared.default_factory
    return declared.default if factory is dataclasses.MISSING else factory()


def _tuples(value: Any) -> Any:
    """Lists as tuples, which is what frozen records hold."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _unset(values: Any, path: str) -> list[str]:
    if isinstance(values, Mapping):
        return [found for key, value in values.items() for found in _unset(value, f"{path}.{key}")]
    return [path] if values == MISSING else []


def _get(values: Any, keys: list[str]) -> Any:
    for key in keys:
        values = values[key]
    return values

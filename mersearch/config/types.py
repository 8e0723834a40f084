"""What the annotation and the bounds of a dataclass field say, for pydantic and for people."""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field

from mersearch.space.dimension import show

BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


@dataclasses.dataclass(frozen=True, slots=True)
class Leaf:
    """A field that holds a value, not a nested record."""

    annotation: Any
    bounds: Mapping[str, float]

    def constrained(self) -> Any:
        """The annotation with the bounds on every number in it."""
        return _constrain(self.annotation, self.bounds)

    def describe(self) -> str:
        """What a value must be: `a whole number ≥ 1, or auto`."""
        return _describe(self.annotation, self.bounds)

    def members(self) -> tuple[Any, ...]:
        """The alternatives of a union, or the annotation itself."""
        return get_args(self.annotation) if is_union(self.annotation) else (self.annotation,)


def record_fields(cls: type[Any]) -> dict[str, tuple[Any, dataclasses.Field[Any]]]:
    """Name → resolved annotation and field, in order."""
    hints = get_type_hints(cls)
    return {f.name: (hints[f.name], f) for f in dataclasses.fields(cls) if f.init}


def nested_record(annotation: Any) -> type[Any] | None:
    """The dataclass that an annotation holds, alone or with None; else None."""
    members = get_args(annotation) if is_union(annotation) else (annotation,)
    records = [member for member in members if isinstance(member, type) and dataclasses.is_dataclass(member)]
    return records[0] if len(records) == 1 else None


def leaf_of(annotation: Any, declared: dataclasses.Field[Any]) -> Leaf:
    """The leaf of a field that holds no record."""
    return Leaf(annotation, {key: declared.metadata[key] for key in BOUNDS if key in declared.metadata})


def is_union(annotation: Any) -> bool:
    """Whether the annotation is `A | B`."""
    return get_origin(annotation) in (Union, types.UnionType)


def _constrain(annotation: Any, bounds: Mapping[str, float]) -> Any:
    arguments = tuple(
        argument if argument is Ellipsis else _constrain(argument, bounds)
        for argument in get_args(annotation)
    )
    if is_union(annotation):
        return functools.reduce(operator.or_, arguments)
    if get_origin(annotation) is tuple:
        return types.GenericAlias(tuple, arguments)
    if annotation in (int, float):
        ge, gt, le, lt = (bounds.get(name) for name in ("ge", "gt", "le", "lt"))
        return Annotated[annotation, Field(ge=ge, gt=gt, le=le, lt=lt)]
    return annotation


def _describe(annotation: Any, bounds: Mapping[str, float]) -> str:
    if is_union(annotation):
        return ", or ".join(_describe(member, bounds) for member in get_args(annotation))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        options = [option if isinstance(option, str) else show(option) for option in arguments]
        return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
    if origin is tuple:
        return f"a list, each {_describe(arguments[0], bounds)}" if arguments else "a list"
    if dict in (origin, annotation) or origin is Mapping:
        return "a mapping"
    limits = " and".join(f" {BOUNDS[key]} {value}" for key, value in bounds.items())
    return NAMES.get(annotation, str(annotation)) + (limits if annotation in (int, float) else "")

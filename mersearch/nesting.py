"""Dotted paths and the nested mappings that they name places in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def put(values: dict[str, Any], path: str, value: Any) -> None:
    """Set the place of a dotted path, with the groups above it where they are missing.

    >>> values = {"a": {"b": 1}}
    >>> put(values, "a.c.d", 2)
    >>> values
    {'a': {'b': 1, 'c': {'d': 2}}}
    """
    *groups, name = path.split(".")
    node = values
    for group in groups:
        node = node.setdefault(group, {})
    node[name] = value


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted path → value as nested mappings.

    >>> nested({"a.b": 1, "a.c": 2, "d": 3})
    {'a': {'b': 1, 'c': 2}, 'd': 3}
    """
    found: dict[str, Any] = {}
    for path, value in values.items():
        put(found, path, value)
    return found

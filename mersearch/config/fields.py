"""The settings of an algorithm, as the search space sees them."""

from __future__ import annotations

from typing import Any

from mersearch.config.schema import Schema
from mersearch.space.dimension import Value
from mersearch.space.parse import Kind
from mersearch.space.problem import Problem


class SettingsFields:
    """Answers by dotted key what a setting is, may be and is set to.

    Args:
        schema: Schema of the section `algorithm`.
        settings: Its checked values, or None where they break a rule.
    """

    def __init__(self, schema: Schema, settings: dict[str, Any] | None) -> None:
        self._schema, self._settings = schema, settings

    @property
    def known(self) -> bool:
        """Whether the values are valid, so that `fixed` can tell them."""
        return self._settings is not None

    @property
    def paths(self) -> tuple[str, ...]:
        """All settings."""
        return tuple(self._schema.leaves)

    def kind(self, path: str) -> Kind:
        """The kind of number that the field holds."""
        members = self._schema.leaves[path].members()
        if float in members:
            return "float"
        return "int" if int in members else "other"

    def unknown(self, path: str) -> Problem | None:
        """The problem of a path that is not a setting."""
        return None if path in self._schema.leaves else self._schema.unknown(path)

    def accept(self, path: str, value: object) -> tuple[Value, str]:
        """The value as the field holds it, and what the field demands where it refuses."""
        return self._schema.accept(path, value)

    def fixed(self, path: str) -> Value:
        """What the configuration sets the field to."""
        node: Any = self._settings
        for key in path.split(".")[1:]:
            node = node[key]
        value: Value = node
        return value

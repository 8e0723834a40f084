"""Rules between settings and data that several algorithms have in common."""

from __future__ import annotations

from collections.abc import Iterable

from mersearch.algorithm import Shapes
from mersearch.errors import ConfigError


def view_errors(setting: str, value: str, wanted: Iterable[str], shapes: Shapes) -> list[ConfigError]:
    """An error for every view of `wanted` that is not on disk; `setting` and `value` say who wants it."""
    return [
        ConfigError(
            "every view in use must be on disk",
            received=f"{setting}={value}, on disk: {', '.join(shapes.views) or 'none'}",
            fix=f"prepare the data with {view}, or set algorithm.{setting} to a view on disk",
        )
        for view in wanted
        if view not in shapes.views
    ]

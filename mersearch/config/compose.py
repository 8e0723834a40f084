"""From a search space and overrides to a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mersearch.config.records import Config


def compose(space: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Compose, resolve and validate a configuration; imports the algorithm that it names.

    Args:
        space: A YAML file, or the name of a shipped search space. A file without `space:` searches nothing.
        overrides: `KEY=VALUE`, `GROUP=OPTION`, `+KEY=VALUE`, `~KEY`, in Hydra's grammar.

    Raises:
        ConfigError: One rule is broken; the message names the file and line, or the override.
        Several: More than one is.
    """
    from mersearch.config.composition import composed
    from mersearch.config.load import load

    found = composed(space, overrides)
    return load(found.values, found.sources, overridden=found.overridden, unsearched=found.unsearched)

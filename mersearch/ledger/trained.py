"""What a configuration trains with: equal where two trials are the same, wherever their files lie."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from mersearch.nesting import put
from mersearch.store import Parameters

TRAINED: Final = ("algorithm", "macro", "preprocess")
"""Sections of the configuration that say what is trained."""
PLACES: Final = ("root", "cache")
UNSET: Final = (("landmarks", None),)
"""Keys at a value that means what a configuration without the key means."""

USUAL: Final = "float32"
"""Precision of a configuration that names none."""


def trained(config: Mapping[str, Any], labels: str) -> dict[str, Any]:
    """What a trial of a configuration trains with beside its parameters, without folders."""
    sections = {name: config.get(name) for name in TRAINED}
    plain = {
        name: {
            key: value for key, value in section.items() if key not in PLACES and (key, value) not in UNSET
        }
        for name, section in sections.items()
        if isinstance(section, Mapping)
    }
    folds = config.get("folds")
    precision = folds.get("precision", USUAL) if isinstance(folds, Mapping) else USUAL
    mixed = {} if precision == USUAL else {"precision": precision}
    return {**plain, "labels": labels, "seed": config["run"]["seed"], **mixed}


def pinned(sections: dict[str, Any], parameters: Parameters) -> dict[str, Any]:
    """The sections with the parameters of a trial at their places."""
    values = copy.deepcopy(sections)
    for path, value in parameters.items():
        put(values, path, value)
    return values

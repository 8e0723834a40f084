"""Ray's own schema of `ray up` files, read from the installed Ray without importing it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from mersearch.errors import ClusterError


def ray_schema() -> dict[str, Any]:
    """The JSON schema that `ray up` validates by.

    Raises:
        ClusterError: Ray is not installed, or has no such file.
    """
    spec = importlib.util.find_spec("ray")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        file = Path(place) / "autoscaler" / "ray-schema.json"
        if file.is_file():
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return found
    received = str(places[0]) if places else "no Ray is installed"
    raise ClusterError("the schema of ray up is missing", received=received, fix="install ray again")

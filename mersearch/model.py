"""A configuration refitted on all clips, as one safetensors file that says what it is."""

from __future__ import annotations

import json
from pathlib import Path

from mersearch.errors import RunError
from mersearch.opening import Ready

FORMAT = 1
"""Version of the metadata of a model file."""


def train(ready: Ready, file: Path) -> Path:
    """Train on all clips, nobody held out, and write `file`.

    The metadata holds the configuration, the classes, the provenance and the format; parameters are named
    `parameters.<name>`, the state `state.<name>`.

    Raises:
        TrialFailure: training left the finite numbers.
        RunError: the file cannot be written.
    """
    from safetensors.torch import save_file

    from mersearch.training import train_all

    config = ready.study.config
    worker = ready.study.open()
    parameters, state = train_all(worker.algorithm({}), worker.data, config.run.seed)
    tensors = {f"parameters.{name}": value.contiguous() for name, value in parameters.items()}
    tensors |= {f"state.{name}": value.contiguous() for name, value in state.items()}
    metadata = {
        "mersearch": str(FORMAT),
        "config": json.dumps(config.to_dict()),
        "classes": json.dumps(worker.data.shapes.emotions),
        "provenance": json.dumps(ready.provenance),
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.tmp")
        save_file(tensors, temporary, metadata)
        temporary.replace(file)
    except OSError as error:
        raise RunError(
            "the model file is writable", received=f"{file}: {error}", fix="name another: -o FILE"
        ) from error
    return file

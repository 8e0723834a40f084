"""A configuration refitted on all clips, as one safetensors file that says what it is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from mersearch.preparation import Report
from mersearch.ready import Ready
from mersearch.search.worker import Study
from mersearch.store.files import replace

FORMAT = 1
"""Version of the metadata of a model file."""


def train(ready: Ready, file: Path, report: Report) -> Path:
    """Train on all clips, nobody held out, and write `file`.

    The metadata holds the configuration, the classes, the provenance and the format; parameters are named
    `parameters.<name>`, the state `state.<name>`.

    Args:
        ready: the configuration with its data.
        file: where to; see `mersearch.store.files.require_writable`.
        report: takes the progress, in optimiser steps.

    Raises:
        TrialFailure: training left the finite numbers.
        RunError: the file cannot be written.
        Interrupted: the disk is full.
    """
    from safetensors.torch import save

    from mersearch import numerics
    from mersearch.training import train_all

    config = ready.study.config
    study = alone(ready.study)
    worker = study.open()
    parameters, state = train_all(
        worker.algorithm({}),
        worker.data,
        config.run.seed,
        numerics.dtype(study.mode),
        on_steps=lambda done, total: report("training, steps", done, total),
        pretraining=worker.pretraining,
    )
    tensors = {f"parameters.{name}": value.contiguous() for name, value in parameters.items()}
    tensors |= {f"state.{name}": value.contiguous() for name, value in state.items()}
    metadata = {
        "mersearch": str(FORMAT),
        "config": json.dumps(config.to_dict()),
        "classes": json.dumps(worker.data.shapes.emotions),
        "provenance": json.dumps({**ready.provenance, "mode": study.mode}),
    }
    replace(file, save(tensors, metadata), None)
    return file


def alone(study: Study) -> Study:
    """`study` in one process, with a thread for every core of the trial: there are no folds for several processes."""
    mode = {**study.mode, "threads": max(1, int(study.config.trial.cpus))}
    if mode["backend"] == "processes":
        mode["backend"] = "loop"
    return dataclasses.replace(study, mode=mode)

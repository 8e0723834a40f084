"""The run directory: append-only logs, one writer, readable with the standard library and numpy alone."""

from mersearch.store.directory import PROTOCOL, RunDirectory, is_run, runs
from mersearch.store.memory import Memory, Recorder
from mersearch.store.plan import FoldPlan
from mersearch.store.progress import Progress, TrialProgress, progress
from mersearch.store.records import (
    FoldRecord,
    Parameters,
    SpaceExhausted,
    TrialEnded,
    TrialProposed,
    TrialRestarted,
    Verdict,
)
from mersearch.store.state import RunState, Trial, configuration, predictions
from mersearch.store.writer import RunWriter, maps_path

__all__ = [
    "PROTOCOL",
    "FoldPlan",
    "FoldRecord",
    "Memory",
    "Parameters",
    "Progress",
    "Recorder",
    "RunDirectory",
    "RunState",
    "RunWriter",
    "SpaceExhausted",
    "Trial",
    "TrialEnded",
    "TrialProgress",
    "TrialProposed",
    "TrialRestarted",
    "Verdict",
    "configuration",
    "is_run",
    "maps_path",
    "predictions",
    "progress",
    "runs",
]

"""The lines of the run directory's logs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

State = Literal["running", "complete", "stopped", "failed"]
Value = bool | int | float | str | None
Parameters = dict[str, Value]
"""Parameter path → value, as in `{"algorithm.loss.margin": 0.3}`; inactive parameters have no key."""


@dataclass(frozen=True, slots=True)
class TrialProposed:
    """A configuration that was drawn; its number is its place in the run."""

    trial: int
    parameters: Parameters
    seed: int
    """What the sampler was seeded with."""
    time: float = field(default=0.0, compare=False)
    """Seconds since 1970 on the driver, for display only."""


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial that is over."""

    trial: int
    state: State
    """complete, stopped or failed."""
    why: str
    folds: int
    """Folds it had finished, so that a lost fold line is noticed."""
    time: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class TrialRestarted:
    """A trial for which the memory of a whole card was not enough, from its first fold again in a smaller mode.

    Folds and verdicts from before do not count any more.
    """

    trial: int
    backend: str
    """Back-end that trains it from now on, in place of the run's."""
    why: str
    time: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class SpaceExhausted:
    """The search space has no configuration beyond those that were proposed, so the search ends with them."""

    trials: int
    """Trials that were proposed by then; a later proposal would show that there was another one."""
    time: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class FoldRecord:
    """What one finished fold left: the predictions of the held-out clips of one subject.

    Attributes:
        chunk: index of the chunk it was computed in.
        attempt: 0 for the first computation of the chunk in this trial, as far as the driver knows: 1 also for the
            first chunk of a trial that was running when another driver ended.
        seconds: compute time of the fold (its share of the chunk's).
        gpus: cards that were held for it meanwhile; None where that was not written down.
        clips: clip ids [m].
        labels: true classes [m], indices into the classes of the plan.
        logits: float32 [m, L].
        diagnostics: numbers or series by name; what is not finite is stored as null.
        configuration: digest of the trial's parameters, filled in by the session.
        maps: uint8 [m, 14, 14], stored beside the log; None when read back.
    """

    trial: int
    subject: str
    chunk: int
    attempt: int
    seconds: float
    node: str
    clips: tuple[str, ...]
    labels: tuple[int, ...]
    logits: NDArray[np.float32]
    diagnostics: dict[str, Any] = field(default_factory=dict)
    configuration: str = ""
    maps: NDArray[np.uint8] | None = None
    gpus: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Keep or stop, after `folds` folds of a trial, and what it was based on."""

    trial: int
    folds: int
    keep: bool
    why: str
    value: float
    """The trial's metric on its first `folds` folds."""
    peers: tuple[int, ...]
    """Trials it was compared with."""
    configuration: str = ""
    """Digest of the trial's parameters, filled in by the session."""
    basis: dict[str, float] = field(default_factory=dict)
    """Numbers that the rule compared, by name; what is not finite is stored as null and read back as NaN."""


TrialRecord: TypeAlias = TrialProposed | TrialEnded | TrialRestarted | SpaceExhausted
Record: TypeAlias = TrialRecord | FoldRecord | Verdict
KINDS: Final = {
    TrialProposed: "proposed",
    TrialEnded: "ended",
    TrialRestarted: "restarted",
    SpaceExhausted: "exhausted",
}


def encode(record: Record) -> bytes:
    """One line of a log, newline included."""
    values = {name: getattr(record, name) for name in record.__dataclass_fields__ if name != "maps"}
    if isinstance(record, TrialProposed | TrialEnded | TrialRestarted | SpaceExhausted):
        values = {"kind": KINDS[type(record)], **values}
    if isinstance(record, FoldRecord):
        values["logits"] = np.asarray(record.logits, np.float32).tolist()
        values["labels"] = [int(label) for label in record.labels]
    return json.dumps(_finite(values), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def trial_record(line: dict[str, Any]) -> TrialRecord:
    """A line of `trials.jsonl`; KeyError, TypeError or ValueError where it is none."""
    if line["kind"] == "proposed":
        return TrialProposed(int(line["trial"]), dict(line["parameters"]), int(line["seed"]), line["time"])
    if line["kind"] == "ended" and line["state"] in ("complete", "stopped", "failed"):
        return TrialEnded(
            int(line["trial"]), line["state"], str(line["why"]), int(line["folds"]), line["time"]
        )
    if line["kind"] == "restarted":
        return TrialRestarted(int(line["trial"]), str(line["backend"]), str(line["why"]), line["time"])
    if line["kind"] == "exhausted":
        return SpaceExhausted(int(line["trials"]), line["time"])
    raise ValueError(f"kind {line['kind']!r}, state {line.get('state')!r}")


def fold_record(line: dict[str, Any]) -> FoldRecord:
    """A line of `folds.jsonl`; KeyError, TypeError or ValueError where it is none."""
    logits = np.array(line["logits"], np.float32)
    if logits.ndim != 2 or not len(line["clips"]) == len(line["labels"]) == len(logits):
        raise ValueError("clips, labels and logits differ in length")
    return FoldRecord(
        int(line["trial"]),
        str(line["subject"]),
        int(line["chunk"]),
        int(line["attempt"]),
        float(line["seconds"]),
        str(line["node"]),
        tuple(line["clips"]),
        tuple(line["labels"]),
        logits,
        dict(line["diagnostics"]),
        str(line["configuration"]),
        gpus=None if (gpus := line.get("gpus")) is None else float(gpus),
    )


def verdict_record(line: dict[str, Any]) -> Verdict:
    """A line of `verdicts.jsonl`; KeyError, TypeError or ValueError where it is none."""
    value = math.nan if line["value"] is None else float(line["value"])
    return Verdict(
        int(line["trial"]),
        int(line["folds"]),
        bool(line["keep"]),
        str(line["why"]),
        value,
        tuple(line["peers"]),
        str(line["configuration"]),
        {name: math.nan if number is None else number for name, number in line.get("basis", {}).items()},
    )

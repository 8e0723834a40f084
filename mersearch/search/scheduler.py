"""The session as a scheduler of Tune."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from mersearch.search.bridge import Bridge
from mersearch.search.trainable import LEAVING

LOSSES = 3
"""Workers that a chunk may lose in a row, machines aside, until its trial is taken to be the cause."""
MACHINE = "its machine is gone"
SIGNS = ("node has died", "node was terminated", "node was preempted")
"""What Ray says of an actor whose machine is gone."""
SILENT = "it is out of reach"
DOUBT = "is temporarily unavailable"
"""What Ray says of an actor that does not answer, before it knows whether machine or process is gone."""


class SessionScheduler(FIFOScheduler):  # type: ignore[misc]
    """Pieces in the order of the searcher; after every chunk it is said whether a slot goes on with its piece."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def on_trial_result(self, _controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Store the chunk, decide, and remember in `trial.config` where a new worker would go on."""
        config = trial.config
        if config["over"]:
            return str(TrialScheduler.STOP)
        keep = self._bridge.report(
            config["trial"], config["chunk"], result["report"], config["room"], config["backend"]
        )
        config["chunk"] += 1
        config["attempt"] = config["crashes"] = 0
        return str(TrialScheduler.CONTINUE if keep else TrialScheduler.STOP)

    def on_trial_error(self, _controller: Any, trial: Any) -> None:
        """A worker is gone; Tune starts another one, which computes the chunk again.

        Without limit where its machine was lost or will be taken back, else up to `LOSSES` times in a row: then the
        piece is over, and the new worker has nothing to do. What nobody knows the reason of counts neither way.
        """
        config, why = trial.config, _cause(trial)
        if why == LEAVING:
            self._bridge.moved(config["trial"])
            return
        if why != SILENT:
            config["crashes"] = 0 if why == MACHINE else config["crashes"] + 1
        if config["crashes"] <= LOSSES:
            config["attempt"] = self._bridge.lost(config["trial"], config["chunk"], why)
        else:
            config["over"] = True
            self._bridge.crashed(config["trial"], config["chunk"], why)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _cause(trial: Any) -> str:
    """The telling line of the last failure that Tune noted in the trial's error file."""
    text = Path(trial.error_file).read_text(errors="replace").rpartition("Failure #")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if LEAVING in text:
        return LEAVING
    if any(sign in text for sign in SIGNS):
        return MACHINE
    if DOUBT in text:
        return SILENT
    killed = any(line.startswith("The actor died unexpectedly") for line in lines)
    return "killed, out of memory or crashed" if killed else lines[-1][:300]

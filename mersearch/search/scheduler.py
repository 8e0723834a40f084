"""The session as a scheduler of Tune."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from mersearch.search.bridge import Bridge

LOSSES = 3
"""Workers that one trial may lose in a row without finishing a chunk."""


class SessionScheduler(FIFOScheduler):  # type: ignore[misc]
    """Trials in the order of the searcher; the session says after every chunk whether one goes on."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def on_trial_result(self, _controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Store the chunk, decide, and remember in `trial.config` where a new worker would go on."""
        report = result["report"]
        keep = self._bridge.report(trial.config["trial"], report)
        trial.config["done"] += len(report.folds)
        trial.config["attempt"] = 0
        trial.run_metadata.num_failures = 0
        return str(TrialScheduler.CONTINUE if keep else TrialScheduler.STOP)

    def on_trial_error(self, _controller: Any, trial: Any) -> None:
        """A worker died; up to `LOSSES` times in a row Tune starts another one, which computes the chunk again."""
        trial.config["attempt"] += 1
        if trial.should_recover():
            self._bridge.lost(trial.config["trial"], _cause(trial))
        else:
            self._bridge.crashed(trial.config["trial"], _cause(trial))

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _cause(trial: Any) -> str:
    """The telling line of the last failure that Tune noted in the trial's error file."""
    text = Path(trial.error_file).read_text(errors="replace").rpartition("Failure #")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    killed = any(line.startswith("The actor died unexpectedly") for line in lines)
    return "killed, out of memory or crashed" if killed else lines[-1][:300]

"""The Ray actor that trains trials: one actor per slot, used for one trial after another."""

from __future__ import annotations

import traceback
from typing import Any

from ray import tune

from mersearch.errors import ClusterError, MersearchError, TrialFailure
from mersearch.search.worker import Payload, Report, Worker


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """Trains a trial chunk by chunk; `config` holds `trial`, `parameters`, `done` (folds) and `attempt`.

    Nothing that the algorithm raises leaves the actor as an exception, and `done` is never in a result: Tune would
    end the trial without asking the scheduler.
    """

    def setup(self, config: dict[str, Any], payload: Payload) -> None:
        """Load the data, once for all trials of this actor."""
        self._payload = payload
        self._worker: Worker | None = None
        self._unusable: MersearchError | None = None
        try:
            self._worker = payload.open()
        except MersearchError as error:
            self._unusable = error
        except Exception as error:
            self._unusable = ClusterError(
                "a worker must be able to load the data",
                received=_line(error),
                fix=f"the whole error:\n{traceback.format_exc()}",
            )
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Turn to another trial."""
        self.config = new_config
        self._done, self._started = int(new_config["done"]), False
        return True

    def step(self) -> dict[str, Any]:
        """Train the next chunk."""
        return {"report": self._report()}

    def _report(self) -> Report:
        if self._worker is None:
            return Report(unusable=self._unusable)
        plan = self._payload.plan
        subjects = plan.next_chunk(self._done)
        try:
            if not self._started:
                self._worker.start(dict(self.config["parameters"]))
                self._started = True
            folds = self._worker.train(
                self.config["trial"], subjects, self._done // plan.chunk, self.config["attempt"]
            )
        except TrialFailure as error:
            return Report(failure=error.line)
        except Exception as error:
            return Report(failure=_line(error), traceback=traceback.format_exc())
        self._done += len(folds)
        self.config["attempt"] = 0
        return Report(tuple(folds), remark=self._worker.remark)


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())

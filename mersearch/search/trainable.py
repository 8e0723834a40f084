"""The Ray actor that trains pieces of trials: one actor per slot, used for one piece after another."""

from __future__ import annotations

import dataclasses
import traceback
from typing import Any

import ray
from ray import tune

from mersearch.errors import ClusterError, MersearchError, ProcessDied, TrialFailure, out_of_memory
from mersearch.search.worker import Payload, Report, Worker, free_card

LEAVING = "this machine will be taken back"
"""What an actor on such a machine says instead of beginning another chunk."""


class Leaving(Exception):
    """The actor's machine will be taken back, as a cloud announces of a spot machine; see `LEAVING`."""


class Lost(Exception):
    """A process of the worker has died; the worker is replaced, as where it had died itself."""


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """Trains a trial chunk by chunk.

    `config` holds `trial`, `parameters`, `chunk` (the first one), `attempt`, `room` (the cards that the trial needs
    where its share was too small, else None), `gpus` (those that it holds), `backend` (its own where it was started
    again in a smaller mode, else empty), and `over` where there is nothing to do.

    Nothing that the algorithm raises leaves the actor as an exception, only `Leaving` and `Lost` do; and `done` is
    never in a result: Tune would end the trial without asking the scheduler.
    """

    def setup(self, config: dict[str, Any], payload: Payload) -> None:
        """Load the data, once for all trials of this actor; where the card is full, again with the first piece."""
        self._payload = payload
        self._worker: Worker | None = None
        self._unusable: MersearchError | None = None
        self._open()
        self.reset_config(config)

    def _open(self) -> Report:
        """Load the data; a card that has no memory for them now may have it later."""
        try:
            self._worker = self._payload.open()
        except Exception as error:
            text = traceback.format_exc()
            unusable = (
                error
                if isinstance(error, MersearchError)
                else ClusterError(
                    "a worker must be able to load the data",
                    received=_line(error),
                    fix=f"the whole error:\n{text}",
                )
            )
            if out_of_memory(error):
                line = unusable.line if isinstance(unusable, TrialFailure) else _line(error)
                return Report(failure=line, traceback=text, unusable=unusable, exhausted=True)
            self._unusable = unusable
        return Report(unusable=self._unusable)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Turn to another piece."""
        self.config = new_config
        self._chunk, self._started = int(new_config["chunk"]), False
        return True

    def step(self) -> dict[str, Any]:
        """Train the next chunk.

        Raises:
            Leaving: the machine will be taken back; the chunk has not been begun.
            Lost: a process that trained folds of the chunk has died.
        """
        if self.config["over"]:
            return {"report": Report()}
        if leaving():
            raise Leaving(LEAVING)
        report = self._report()
        if report.exhausted:
            free_card()
        return {"report": report}

    def _report(self) -> Report:
        if self._worker is None:
            opened = self._open() if self._unusable is None else Report(unusable=self._unusable)
            if self._worker is None:
                return opened
        plan = self._payload.plan
        subjects = plan.next_chunk(self._chunk * plan.chunk)
        try:
            if not self._started:
                self._worker.start(dict(self.config["parameters"]), self.config["backend"])
                self._started = True
            folds = self._worker.train(self.config["trial"], subjects, self._chunk, self.config["attempt"])
        except ProcessDied as error:
            raise Lost(error.line) from None
        except TrialFailure as error:
            exhausted = out_of_memory(error)
            return Report(
                failure=error.line, traceback=traceback.format_exc() * exhausted, exhausted=exhausted
            )
        except Exception as error:
            text = traceback.format_exc()
            return Report(failure=_line(error), traceback=text, exhausted=out_of_memory(error))
        self._chunk += 1
        self.config["attempt"] = 0
        held = [dataclasses.replace(fold, gpus=self.config["gpus"]) for fold in folds]
        return Report(tuple(held), remark=self._worker.remark)


def leaving() -> bool:
    """Whether the cluster has announced that this machine will be taken back."""
    if not ray.is_initialized():
        return False
    from ray._private.state import state

    return ray.get_runtime_context().get_node_id() in state.get_draining_nodes()


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())

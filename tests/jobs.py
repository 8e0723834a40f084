"""A payload for Ray workers whose training is a function of the parameters, with faults on order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from mersearch.errors import DataError, ProcessDied, TrialFailure
from mersearch.store import FoldPlan, FoldRecord, Parameters, Progress
from tests.runs import train


@dataclass(frozen=True)
class Job:
    """Trains with `runs.train`.

    Attributes:
        faults: trial → what happens to it: `diverge`, `bug`, `bug once` (at chunk 1), `nan`, `die` (once, at
            chunk 1), `lose a process` (once, at chunk 1), `die always`, `meet` (chunk 0 is trained when chunk 4 has
            been begun), `crowd` (no memory from chunk 1 on, but for the loop).
        unreadable: no worker can load the data.
        seconds: how long a chunk takes.
        log: a file that gets a line per loading and per chunk.
        remark: of every worker.
    """

    plan: FoldPlan
    faults: Mapping[int, str] = field(default_factory=dict)
    unreadable: bool = False
    seconds: float = 0.0
    log: Path | None = None
    remark: str = ""

    def open(self) -> Faker:
        if self.unreadable:
            raise DataError("data can be read", received="/nowhere")
        self.note("open")
        return Faker(self)

    def begun(self, trial: int, chunk: int) -> bool:
        """Whether a worker has begun a chunk, by the log."""
        return self.log is not None and f" {trial} {chunk} 0\n" in self.log.read_text()

    def note(self, what: str) -> None:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{os.getpid()} {what}\n")


class Faker:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.parameters: Parameters = {}
        self.backend = ""
        self.remark = job.remark

    def start(self, parameters: Parameters, backend: str = "") -> None:
        self.parameters, self.backend = parameters, backend

    def train(self, trial: int, subjects: Sequence[str], chunk: int, attempt: int) -> list[FoldRecord]:
        fault = self.job.faults.get(trial)
        self.job.note(f"{trial} {chunk} {attempt}")
        time.sleep(self.job.seconds)
        while fault == "meet" and chunk == 0 and not self.job.begun(trial, 4):
            time.sleep(0.05)  # another worker is waited for
        if fault == "diverge":
            raise TrialFailure("losses stay finite", received="NaN in stage main")
        if fault == "bug" or (fault == "bug once" and chunk == 1 and attempt == 0):
            raise KeyError("no such layer")
        if fault == "crowd" and chunk and self.backend != "loop":
            raise torch.OutOfMemoryError("CUDA out of memory")
        if fault == "lose a process" and chunk == 1 and attempt == 0:
            raise ProcessDied(
                "processes must live", received="process 7 ended by signal SIGKILL", fix="fewer"
            )
        if fault == "die always" or (fault == "die" and chunk == 1 and attempt == 0):
            os.kill(os.getpid(), signal.SIGKILL)
        folds = [train(self.job.plan, trial, self.parameters, subject, attempt) for subject in subjects]
        if fault == "nan":
            folds[0].logits[0] = np.nan
        return folds


@dataclass
class Notebook:
    """A watcher that remembers."""

    seen: list[Progress] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def update(self, progress: Progress) -> None:
        if not self.seen or self.seen[-1] is not progress:
            self.seen.append(progress)

    def notice(self, text: str) -> None:
        self.notices.append(text)

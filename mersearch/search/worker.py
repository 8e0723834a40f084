"""What a worker does for a search: loads the data once, then trains chunk after chunk of one trial after another."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mersearch.store import FoldPlan, FoldRecord, Parameters

if TYPE_CHECKING:
    from mersearch.algorithm import Algorithm
    from mersearch.config import Config
    from mersearch.data.clips import DataSet
    from mersearch.data.folds import Fold
    from mersearch.errors import MersearchError
    from mersearch.numerics import Mode
    from mersearch.training import DeviceData, FoldResult, Pretraining
    from mersearch.training.processes import Pool


PRETRAINED = "pretrained"
"""Folder beside the caches for what training on macro clips alone leaves; diagnostic of a fold that tells its key."""
TOGETHER = "(held out together)"
"""Name of the subject that several are taken for."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker sends after a chunk: folds, or what went wrong.

    Attributes:
        folds: the finished folds of the chunk.
        failure: why the trial cannot be trained; empty where it can.
        traceback: of an exception of the algorithm, else empty.
        unusable: the worker itself cannot work, whatever the trial; with `exhausted`, it may with a larger share of
            the card.
        remark: of the worker on itself, see `Worker`.
        exhausted: whether the memory of the card was, which others may share.
    """

    folds: tuple[FoldRecord, ...] = ()
    failure: str = ""
    traceback: str = ""
    unusable: MersearchError | None = None
    remark: str = ""
    exhausted: bool = False


def free_card() -> None:
    """Give back what nobody holds any more of a card; call it when the exception and its frames are gone."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None:
        torch.cuda.empty_cache()


class Worker(Protocol):
    """Trains folds; knows nothing of Ray."""

    @property
    def remark(self) -> str:
        """What the user should know of this worker's numbers; empty where there is nothing."""
        ...

    def start(self, parameters: Parameters, backend: str = "") -> None:
        """Turn to another configuration, trained with `backend` where it is not to be the run's."""
        ...

    def train(self, trial: int, subjects: Sequence[str], chunk: int, attempt: int) -> list[FoldRecord]:
        """Train and predict the folds of one chunk; any exception fails the trial."""
        ...


class Payload(Protocol):
    """What every worker of a search is sent once: small, and picklable."""

    @property
    def plan(self) -> FoldPlan:
        """The folds of every trial."""
        ...

    def open(self) -> Worker:
        """Load the data; called once in every worker process, and again where the card was full."""
        ...


@dataclass(frozen=True, slots=True)
class Study:
    """The payload of a real search.

    Attributes:
        micro, macro: folders of the cache, as every worker sees them; absolute.
        digest: of the data set.
        plan: folds, in the order of the data set.
        config: the configuration; a trial's parameters are put into its settings.
        mode: the numeric mode of the run.
        code: folder that the module of the algorithm was found in, for workers with another path; None where every
            worker finds it.
        together: subjects that are held out as one, under the name `TOGETHER`.
    """

    micro: Path
    macro: Path | None
    digest: str
    plan: FoldPlan
    config: Config
    mode: Mode
    code: Path | None = None
    together: tuple[str, ...] = ()

    def open(self) -> FoldWorker:
        """Load the data set onto the device of the mode.

        Raises:
            ChunkTooLarge: the clips do not fit into what is free of the card.
            ConfigError: the algorithm cannot be imported here, or the card lacks the precision of the run.
            DataError: a cache cannot be read here, or is not the one of the run.
        """
        from mersearch import numerics
        from mersearch.data.cache_load import load
        from mersearch.data.folds import folds
        from mersearch.data.subset import merged, without
        from mersearch.errors import DataError
        from mersearch.training import Pretraining

        numerics.require_precision(self.mode)
        numerics.apply(self.mode)
        self._import()
        dataset = load(self.micro, self.macro)
        if dataset.digest != self.digest:
            raise DataError(
                "every worker must read the data that the run was started with",
                received=f"{socket.gethostname()}: {self.micro} holds {dataset.digest[:16]}, not {self.digest[:16]}",
                fix="put preprocess.cache on a file system that all machines share",
            )
        dataset = without(dataset, self.config.data.without)
        if self.together:
            dataset = merged(dataset, self.together, TOGETHER)
        data = _on_device(dataset, str(self.mode["device"]))
        order = {fold.subject: fold for fold in folds(dataset)}
        pretraining = Pretraining(self.micro.parent / PRETRAINED, self._sources)
        return FoldWorker(self, data, order, remark_on(self.mode), self._pool(data), pretraining)

    def _sources(self) -> str:
        """Digest of the code that trains."""
        from mersearch.provenance import sources

        return sources(self.config.algorithm.name)

    def _pool(self, data: DeviceData) -> Pool | None:
        """Processes for the folds of a chunk, as many as the trial has cores; None where one fold follows another."""
        from mersearch.training.processes import Pool

        cores = int(self.config.trial.cpus)
        return Pool(data, cores) if self.mode["backend"] == "processes" and cores > 1 else None

    def _import(self) -> None:
        """Import the algorithm before anything is trained: a worker that cannot is of no use to any trial."""
        from mersearch.config import algorithm_class
        from mersearch.errors import ConfigError

        try:
            algorithm_class(self.config.algorithm.name, self.code)
        except ConfigError as error:
            raise ConfigError(
                error.rule,
                received=f"{socket.gethostname()}: {error.received}",
                fix="install it on every machine, or put it into a folder that all of them share",
            ) from error


def _on_device(dataset: DataSet, device: str) -> DeviceData:
    from mersearch.errors import ChunkTooLarge, out_of_memory
    from mersearch.training import DeviceData

    try:
        return DeviceData.from_dataset(dataset, device)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise ChunkTooLarge(
            "the clips must fit into the memory of the card",
            received=f"{len(dataset.micro)} micro clips: {str(error).splitlines()[0]}",
            fix="end what else uses the card, a smaller preprocess.size or preprocess.frames, or trial.gpus=0",
        ) from error


def remark_on(mode: Mode) -> str:
    """In what this process differs from the numeric mode of the run; empty where it does not."""
    from mersearch import numerics

    own = numerics.numeric_mode(
        int(mode["threads"]),
        int(mode["chunk"]),
        str(mode["backend"]),
        str(mode["device"]),
        str(mode["precision"]),
    )
    other = numerics.difference(mode, own)
    text = "another numeric mode than the run's, so its predictions agree within tolerance only: "
    return text + "; ".join(other) if other else ""


class FoldWorker:
    """A worker of a real search."""

    def __init__(
        self,
        study: Study,
        data: DeviceData,
        folds: dict[str, Fold],
        remark: str = "",
        pool: Pool | None = None,
        pretraining: Pretraining | None = None,
    ) -> None:
        """`pool` trains the folds of a chunk where there is one; its data then stand for `data`."""
        self.data, self.remark = data if pool is None else pool.data, remark
        self.pretraining = pretraining
        """What training on macro clips alone has left, for all trials of this worker."""
        self._pool = pool
        self._study, self._folds = study, folds
        self._node = socket.gethostname()
        self._algorithm: Algorithm | None = None
        self._other = ""

    def algorithm(self, parameters: Parameters) -> Algorithm:
        """The algorithm of a configuration, for the shapes of the data."""
        from mersearch.algorithm import settings_from
        from mersearch.config import algorithm_class

        config = self._study.config
        cls = algorithm_class(config.algorithm.name)
        settings = settings_from(cls.Settings, config.with_parameters(parameters))
        algorithm: Algorithm = cls(settings, self.data.shapes)
        return algorithm

    def fold(self, subject: str) -> Fold:
        """The fold that holds a subject out."""
        return self._folds[subject]

    def start(self, parameters: Parameters, backend: str = "") -> None:
        """Turn to a configuration, trained with `backend` where it is not to be the run's."""
        self._algorithm, self._other = self.algorithm(parameters), backend

    def train(self, trial: int, subjects: Sequence[str], chunk: int, attempt: int) -> list[FoldRecord]:
        """Train and predict the folds of one chunk.

        Raises:
            TrialFailure: something is not finite.
            ProcessDied: one of the processes that share the chunk is gone.
        """
        from mersearch import numerics
        from mersearch.training import train_chunk

        assert self._algorithm is not None, "start comes first"
        results = train_chunk(
            self._algorithm,
            self.data,
            [self._folds[subject] for subject in subjects],
            seed=self._study.config.run.seed,
            backend=self._backend(),
            dtype=numerics.dtype(self._study.mode),
            pool=self._pool,
            pretraining=self.pretraining,
        )
        return self._records(results, trial, chunk, attempt)

    def _backend(self) -> str:
        """That of the trial; with one core per trial, the process for the folds is this one."""
        backend = self._other or str(self._study.mode["backend"])
        return "loop" if backend == "processes" and self._pool is None else backend

    def _records(
        self, results: Sequence[FoldResult], trial: int, chunk: int, attempt: int
    ) -> list[FoldRecord]:
        return [
            FoldRecord(
                trial=trial,
                subject=result.subject,
                chunk=chunk,
                attempt=attempt,
                seconds=result.seconds,
                node=self._node,
                clips=result.clip_ids,
                labels=tuple(result.labels.tolist()),
                logits=result.logits,
                diagnostics=_noted(result),
                maps=result.maps,
            )
            for result in results
        ]


def _noted(result: FoldResult) -> dict[str, Any]:
    """The diagnostics of a fold, with the key of the training on macro clips that it began with."""
    start = {PRETRAINED: result.pretrained} if result.pretrained else {}
    return {**result.diagnostics, **start}

"""Full leave-one-subject-out evaluation of one configuration: in this process, or on several workers at once."""

from __future__ import annotations

import dataclasses
import textwrap
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mersearch.by_database import score_lines, scores_by_database
from mersearch.counted import counted
from mersearch.errors import (
    Interrupted,
    MersearchError,
    NothingRan,
    ProcessDied,
    TrialFailure,
    out_of_memory,
)
from mersearch.honest import Honest, honest
from mersearch.metrics import METRICS, NAMES, class_f1

if TYPE_CHECKING:
    from mersearch.config.records import Config
    from mersearch.opening import Opened
    from mersearch.search.bridge import Watcher
    from mersearch.search.session import Session
    from mersearch.search.worker import Report, Worker
    from mersearch.store import Recorder, Trial

WORTH = 60.0
"""Seconds of training, from which on other processes are started to share it."""
_WRAPPER = textwrap.TextWrapper(80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of all held-out clips together."""

    values: dict[str, float]
    """Metric → score from the pooled confusion."""
    per_class: dict[str, float]
    """Class → F1."""
    clips: int


def only(config: Config) -> Config:
    """The configuration as a search of one trial, so that `resume` ends where the evaluation would have."""
    return dataclasses.replace(config, search=dataclasses.replace(config.search, trials=1))


def evaluate(opened: Opened, watcher: Watcher, address: str | None = None) -> Trial:
    """Train and predict every fold that is not stored yet; the trial with all folds.

    Folds are trained in this process, as long as that takes little time or this machine has room for one trial only.
    Else, and on a cluster, they spread over all workers, with the same predictions.

    Args:
        opened: the run.
        watcher: shows it.
        address: of Ray, as for `search`.

    Raises:
        NothingRan: the configuration cannot be trained.
        RunError: another process works on the run.
        ClusterError: Ray cannot be reached or started.
        Interrupted: the disk is full, a signal arrived, or a process that trained folds died.
    """
    from mersearch.ledger import recording
    from mersearch.opening import record_turn
    from mersearch.search.address import resolve
    from mersearch.store.mirror import mirroring

    address = resolve(address)
    with (
        opened.run.writer() as writer,
        recording(opened.run, writer) as ledgered,
        mirroring(opened.run, ledgered, opened.config.run.mirror, watcher.notice) as recorder,
    ):
        session, begun = session_of(opened, recorder), bool(writer.state.trials)
        if (proposal := session.next_trial()) is not None:
            record_turn(opened, session.progress().folds_done)
            finish(opened, session, proposal.trial, recorder, address, watcher, begun=begun)
        best = session.best()
        if best is None:
            raise NothingRan(
                "the configuration cannot be trained",
                received=writer.state.trials[0].ended.why if writer.state.trials[0].ended else "no result",
                fix="change the configuration and name another run.name; a traceback, if there is one, is in "
                f"{opened.run.path / 'failures'}",
            )
        return best


def finish(
    opened: Opened,
    session: Session,
    number: int,
    recorder: Recorder,
    address: str,
    watcher: Watcher,
    *,
    begun: bool,
) -> None:
    """Train what is left of a trial: in this process as long as that is the fastest, else on workers.

    Args:
        opened: whose configuration and study are trained, and in whose folder tracebacks are kept.
        session, recorder: hold the trial, which was handed out.
        number: of the trial.
        address: of Ray, resolved.
        watcher: is told.
        begun: whether another driver may have been training the first missing chunk.

    Raises:
        ClusterError, Interrupted, NothingRan: as `evaluate`.
    """
    if address == "local":
        begun = not _train(opened, session, number, watcher, begun=begun) and begun
    if recorder.state.in_state("running"):
        _spread(opened, session_of(opened, recorder), address, watcher, begun=begun)


def session_of(opened: Opened, recorder: Recorder) -> Session:
    """A session of one trial, all folds of which are trained."""
    from mersearch.search.policy import NoStopping
    from mersearch.search.session import Session
    from mersearch.space import Space

    return Session(
        recorder,
        space=Space(),
        trials=1,
        metric=opened.config.search.metric,
        policy=NoStopping(),
        seed=opened.config.run.seed,
        sampler="random",
    )


def _train(opened: Opened, session: Session, number: int, watcher: Watcher, *, begun: bool) -> bool:
    """Train chunk after chunk in this process, until others are worth starting; whether a chunk was finished.

    Args:
        opened, session, number, watcher: the run, its session, the trial, and who is told.
        begun: whether another driver may have been training the first of these chunks.
    """
    from mersearch.search.packing import smaller
    from mersearch.search.worker import free_card

    worker, retries = opened.study.open(), opened.config.trial.retries
    plan, trial = session.plan, session.state.trials[number]
    backend = str(opened.study.mode["backend"])
    worker.start(dict(trial.parameters), trial.backend)
    before, raised, finished = Counter[int](), 0, False
    while trial.state == "running" and not _worth_spreading(opened, session):
        chunk = trial.done // plan.chunk
        while all(subject in trial.folds for subject in plan.next_chunk(chunk * plan.chunk)):
            chunk += 1
        before[chunk], begun = before[chunk] + begun, False
        report = _chunk(opened, worker, number, plan.next_chunk(chunk * plan.chunk), chunk, before[chunk])
        if report.exhausted:
            free_card()
        if not report.failure:
            session.report(number, report.folds)
            watcher.update(session.progress())
            raised, finished = 0, True
        elif report.traceback and not report.exhausted and raised < retries:
            before[chunk], raised = before[chunk] + 1, raised + 1
            watcher.notice(f"trial {number}: {report.failure}; tried again ({raised} of {retries})")
        elif report.exhausted and (less := smaller(trial.backend or backend)):
            before.update({chunk, *(fold.chunk for fold in trial.folds.values())})
            session.restart(number, less, report.failure)
            worker.start(dict(trial.parameters), less)
            watcher.notice(f"trial {number}: {report.failure}; it starts again with folds.backend={less}")
        else:
            session.fail(number, report.failure)
    return finished


def _chunk(
    opened: Opened, worker: Worker, number: int, subjects: Sequence[str], chunk: int, attempt: int
) -> Report:
    """What came of the folds of a chunk; the traceback of an exception is kept in the run.

    Raises:
        Interrupted: a process that trained folds of it died.
        MersearchError: the worker's own error.
    """
    from mersearch.search.bridge import FAILURES
    from mersearch.search.worker import Report
    from mersearch.store.files import new_folder, replace

    run = opened.run.path
    try:
        held = float(opened.study.mode["device"] == "cuda")
        folds = worker.train(number, subjects, chunk, attempt)
        return Report(tuple(dataclasses.replace(fold, gpus=held) for fold in folds))
    except TrialFailure as failure:
        return Report(failure=failure.line, exhausted=out_of_memory(failure))
    except ProcessDied as death:
        fix = f"{death.fix}; go on with: mersearch resume {run}"
        raise Interrupted(death.rule, received=death.received, fix=fix) from None
    except MersearchError:
        raise
    except Exception as error:
        text, line = traceback.format_exc(), " ".join(f"{type(error).__name__}: {error}".split())
        replace(new_folder(run / FAILURES, run) / f"{number:05d}.txt", text.encode(), run)
        return Report(failure=line, traceback=text, exhausted=out_of_memory(error))


def _worth_spreading(opened: Opened, session: Session) -> bool:
    """Whether the folds that are left take so long here that workers side by side are worth their start."""
    from mersearch.search.slots import local_slots

    trial, now = opened.config.trial, session.progress()
    if now.seconds_per_fold is None or (now.folds - now.folds_done) * now.seconds_per_fold < WORTH:
        return False
    return local_slots(trial.cpus, trial.gpus, opened.config.search.concurrency).count > 1


def _spread(opened: Opened, session: Session, address: str, watcher: Watcher, *, begun: bool) -> None:
    """Train what is left on every worker that there is room for."""
    from mersearch.cores import local_cores
    from mersearch.placing import private_cores, slots_on
    from mersearch.search.engine import run_search
    from mersearch.search.pieces import chunk_count
    from mersearch.search.ray_cluster import cluster
    from mersearch.search.slots import local_cards

    config, threads = opened.config, int(opened.study.mode["threads"])
    cores = private_cores(config) if address == "local" else local_cores()
    with cluster(address, cpus=cores, gpus=local_cards(), threads=threads) as on:
        slots = slots_on(config, on)
        if min(slots.count, chunk_count(session.plan, len(session.plan))) > 1:
            watcher.notice(f"{slots.count} chunks of folds at a time")
        run_search(
            session,
            opened.study,
            on,
            slots,
            run=opened.run.path,
            metric=config.search.metric,
            watcher=watcher,
            retries=config.trial.retries,
            backend=str(opened.study.mode["backend"]),
            begun=begun,
        )


def scores(trial: Trial, classes: tuple[str, ...]) -> Scores:
    """Pooled scores of a trial over its finished folds."""
    counts = trial.confusions[-1]
    per_class = dict(zip(classes, (float(value) for value in class_f1(counts)), strict=True))
    return Scores({name: METRICS[name](counts) for name in METRICS}, per_class, int(np.sum(counts)))


def report(opened: Opened, trial: Trial, file: Path, *, trained: bool) -> list[str]:
    """The lines that `evaluate` prints: scores, and how they compare with those that the file carries.

    Args:
        opened: the run of the evaluation.
        trial: with all folds.
        file: the configuration.
        trained: whether this command trained anything, or all folds were stored already.
    """
    from mersearch.numerics import difference

    found = scores(trial, opened.run.plan.classes)
    lines = [
        *([] if trained else ["Every fold was stored already: nothing was trained now."]),
        *opened.remarks,
        f"{opened.run.name}: {counted(len(opened.run.plan), 'fold')}, {counted(found.clips, 'clip')}"
        + (", synthetic data" if opened.config.data.synthetic else ""),
        *(f"  {NAMES[name]:9s} {value:.4f}" for name, value in found.values.items()),
        *score_lines(scores_by_database(trial)),
        "  F1 per class: " + ", ".join(f"{name} {value:.3f}" for name, value in found.per_class.items()),
    ]
    carried = exported(file)
    if carried:
        same = all(carried[name] == value for name, value in found.values.items())
        other = difference(carried["mode"], opened.run.provenance["mode"])
        if same:
            lines.append(f"The same scores as in {carried['run']}, trial {carried['trial']}.")
        else:
            stored = ", ".join(f"{NAMES[name]} {carried[name]:.4f}" for name in METRICS)
            why = (
                f"another numeric mode: {'; '.join(other)}"
                if other
                else _reseeded(file, opened.config.run.seed) or "the configuration, code or data changed"
            )
            lines.append(f"In {carried['run']}, trial {carried['trial']} had {stored} ({why}).")
    seen = {} if _reseeded(file, opened.config.run.seed) else carried
    lines += _beside(honest(opened.run, opened.run.read()), seen)
    lines.append(f"The predictions are in {opened.run.path / 'folds.jsonl'}.")
    return [part for line in lines for part in _WRAPPER.wrap(line)]


def _beside(corrected: Honest | None, carried: Mapping[str, Any]) -> list[str]:
    """What the choice of this configuration among others leaves of its score, as far as it is known here."""
    told = Honest.of(carried.get("corrected"))
    among = 1 if corrected is None else corrected.configurations
    if told is not None and among < told.configurations:
        first = f"As exported, in {carried['run']}, from which it was chosen:"
        return [first, *(f"  {line}" for line in told.lines())]
    return [] if corrected is None else corrected.lines()


def _reseeded(file: Path, seed: int) -> str:
    """That the file has another seed than this; empty where it has not."""
    stored = seed_in(file)
    return f"with seed {stored}, this is {seed}" if stored not in (None, seed) else ""


def seed_in(file: Path) -> int | None:
    """`run.seed` of a configuration's file; None where it names none."""
    import yaml

    run = yaml.safe_load(file.read_bytes()).get("run")
    seed = run.get("seed") if isinstance(run, dict) else None
    return seed if isinstance(seed, int) else None


def exported(file: Path) -> dict[str, Any]:
    """What an exported file says about itself; empty for another one."""
    import yaml

    values = yaml.safe_load(file.read_bytes()) if file.is_file() else None
    carried = values.get("exported") if isinstance(values, dict) else None
    if isinstance(carried, dict) and {"run", "trial", "mode", *METRICS} <= carried.keys():
        return carried
    return {}

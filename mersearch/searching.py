"""A search from an opened run to its last line: the lease, Ray, the session and what the user sees."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from mersearch.ablation import announcement
from mersearch.audit import audit_lines
from mersearch.config.records import Config
from mersearch.console import Watching, closing, mark_synthetic, opening
from mersearch.honest import keep
from mersearch.ledger import recording
from mersearch.opening import Opened, record_turn, require_room
from mersearch.planning import Place
from mersearch.ready import current_mode
from mersearch.report import write_ablation
from mersearch.search.address import resolve
from mersearch.search.engine import require_success, run_search
from mersearch.search.policies import policy_of
from mersearch.search.probe import workers_mode
from mersearch.search.ray_cluster import Cluster, cluster
from mersearch.search.session import Session
from mersearch.search.slots import Slots, cluster_slots, local_cards, local_cores, local_slots
from mersearch.store import RunWriter, progress

Say = Callable[[Sequence[str]], None]
"""Prints lines."""


def search(opened: Opened, address: str | None, say: Say) -> None:
    """Run a search or go on with it until every trial is over, and say what came out.

    Args:
        opened: the run.
        address: of Ray; None for `RAY_ADDRESS`, or for a private Ray on this machine.
        say: takes the first and the last lines.

    Raises:
        RunError: another process works on the run.
        ClusterError: Ray cannot be reached or started.
        NothingRan: every trial failed.
        Interrupted: stopped, with everything finished kept.
    """
    config, start = opened.config, time.monotonic()
    with opened.run.writer() as writer:
        require_room(config, len(writer.state.trials))
        writer.write_config(config.to_dict())
        now = progress(writer.state, metric=config.search.metric, planned=config.search.trials)
        over = now.finished
        with recording(opened.run, writer.state):
            if not over:
                record_turn(opened, now.folds_done)
                _run(opened, writer, address, say)
        now = progress(writer.state, metric=config.search.metric, planned=config.search.trials)
        require_success(now, opened.run.path)
        say(_last_lines(opened, writer, None if over else time.monotonic() - start))


def place(config: Config, address: str | None) -> Place:
    """Where a search of `config` would run: its slots, and the numeric mode of its workers.

    Args:
        config: of the search.
        address: as for `search`; a cluster is connected to, and a worker of it is asked.

    Raises:
        ClusterError: Ray cannot be reached, has no room for a trial, or its workers cannot train.
        ConfigError: as `current_mode`, for this machine.
    """
    trial, concurrency, address = config.trial, config.search.concurrency, resolve(address)
    if address == "local":
        mode = current_mode(config)
        return Place(local_slots(trial.cpus, trial.gpus, concurrency).count, mode)
    with cluster(address, cpus=0) as on:
        slots = _slots(config, on)
        return Place(slots.count, workers_mode(config, slots), on.address)


def _last_lines(opened: Opened, writer: RunWriter, seconds: float | None) -> list[str]:
    """What came out: the best trial of a search, the table of an ablation."""
    config = opened.config
    if config.ablation is None:
        return closing_lines(opened, writer, seconds)
    synthetic = _synthetic(config)
    lines = write_ablation(opened.run, writer.state, config, config.ablation)
    return ["", *lines, *([mark_synthetic(synthetic)] if synthetic else [])]


def closing_lines(opened: Opened, writer: RunWriter, seconds: float | None) -> list[str]:
    """The last lines of a search that took `seconds`; None where nothing was left to do."""
    search = opened.config.search
    corrected = keep(opened.run, writer.state)
    return closing(
        progress(writer.state, metric=search.metric, planned=search.trials),
        run=opened.run.path,
        best=writer.state.best(search.metric),
        beside=[*(corrected.lines() if corrected else ()), *audit_lines(writer.state, search.metric)],
        seconds=seconds,
        synthetic=_synthetic(opened.config),
    )


def _run(opened: Opened, writer: RunWriter, address: str | None, say: Say) -> None:
    config, mode = opened.config, opened.study.mode
    address = resolve(address)
    cores = _cores(config) if address == "local" else local_cores()
    say(["Starting Ray on this machine…" if address == "local" else f"Connecting to Ray at {address}…"])
    with cluster(address, cpus=cores, gpus=local_cards(), threads=int(mode["threads"])) as on:
        slots = _slots(config, on)
        say([*announcement(config.ablation), *_opening_lines(opened, writer, slots)])
        session = Session(
            writer,
            space=config.space,
            trials=config.search.trials,
            metric=config.search.metric,
            policy=policy_of(config.search, seed=config.run.seed),
            seed=config.run.seed,
            sampler=config.search.sampler,
            startup=config.search.startup,
            slots=slots.count,
            points=config.search.points,
        )
        with Watching(opened.run.name, config.search.metric) as watcher:
            for remark in opened.remarks:
                watcher.notice(remark)
            run, metric = opened.run.path, config.search.metric
            run_search(session, opened.study, on, slots, run=run, metric=metric, watcher=watcher)


def _opening_lines(opened: Opened, writer: RunWriter, slots: Slots) -> list[str]:
    search = opened.config.search
    return opening(
        run=opened.run.path,
        trials=search.trials,
        folds=len(opened.run.plan),
        done=progress(writer.state, metric=search.metric, planned=search.trials).folds_done,
        slots=slots.count,
        device=str(opened.study.mode["device"]),
        synthetic=_synthetic(opened.config),
    )


def _cores(config: Config) -> int:
    """Cores of a private Ray: those of the machine, or as many as the trials side by side ask for."""
    slots = local_slots(config.trial.cpus, config.trial.gpus, config.search.concurrency)
    return max(local_cores(), math.ceil(slots.count * slots.cpus))


def _slots(config: Config, on: Cluster) -> Slots:
    trial, concurrency = config.trial, config.search.concurrency
    if on.private:
        return local_slots(trial.cpus, trial.gpus, concurrency)
    return cluster_slots(trial.cpus, trial.gpus, concurrency, cores=on.cpus, cards=on.gpus)


def _synthetic(config: Config) -> tuple[str, ...]:
    sources = (config.data.synthetic, config.macro.synthetic)
    return tuple(source.layout for source in sources if source is not None)

"""Where a search runs: this machine or a cluster, how many trials side by side, and on what."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from mersearch.config.records import Config, Growth
from mersearch.cores import local_cores
from mersearch.counted import counted
from mersearch.errors import ConfigError
from mersearch.numerics import Mode
from mersearch.ready import current_mode
from mersearch.search.address import resolve
from mersearch.search.packing import cards_here, free_cards
from mersearch.search.probe import device_of, workers_mode
from mersearch.search.ray_cluster import Cluster, cluster
from mersearch.search.slots import Node, Slots, cluster_slots, local_slots
from mersearch.store import RunDirectory, is_run


@dataclass(frozen=True, slots=True)
class Place:
    """Where a search would run.

    Attributes:
        slots: trials side by side, at the most.
        device: `cpu` or `cuda`.
        cluster: address of a Ray cluster; empty for this machine.
        gpus: cards that a trial occupies.
        workers: machines to which a cluster may grow beside its head; None where it stays as it is.
        worker: such a machine.
    """

    slots: int
    device: str
    cluster: str = ""
    gpus: float = 0.0
    workers: int | None = None
    worker: Node | None = None


def place(config: Config, address: str | None) -> Place:
    """Where a search of `config` would run; starts nothing, also on a cluster that starts machines.

    Args:
        config: of the search.
        address: of Ray; None for `RAY_ADDRESS`, or for this machine.

    Raises:
        ClusterError: Ray cannot be reached, or has no room for a trial.
        ConfigError: as `current_mode`, for this machine.
    """
    address = resolve(address)
    if address == "local":
        leave_used_cards(config)
        slots = local_slots(config.trial.cpus, config.trial.gpus, config.search.concurrency)
        return Place(slots.count, str(current_mode(config)["device"]), gpus=slots.gpus)
    _require_chosen(config, address)
    with cluster(address, cpus=0) as on:
        return placed(config, on)


def placed(config: Config, on: Cluster) -> Place:
    """Where a search of `config` runs on a connected Ray."""
    slots, growth = slots_on(config, on), config.cluster
    worker = Node(growth.worker_cpus, growth.worker_gpus) if growth.max_workers else None
    if on.private:
        return Place(slots.count, device_of(slots), gpus=slots.gpus)
    return Place(slots.count, device_of(slots), on.address, slots.gpus, growth.max_workers, worker)


def slots_on(config: Config, on: Cluster) -> Slots:
    """The slots of a search on a connected Ray: of a cluster that grows, those it may have in the end.

    With `trial.gpus=auto`, a run that exists goes on on the device that it was last trained on, whatever machines of
    a cluster are up now.

    Raises:
        ClusterError: as `cluster_slots`.
    """
    trial, concurrency, growth = config.trial, config.search.concurrency, config.cluster
    if on.private:
        return local_slots(trial.cpus, trial.gpus, concurrency)
    worker = Node(growth.worker_cpus, growth.worker_gpus)
    more = max(0, (growth.max_workers or 0) - len(on.workers))
    nodes = (*((on.head,) if on.head else ()), *on.workers)
    gpus = _known_gpus(config) if trial.gpus == "auto" else trial.gpus
    return cluster_slots(trial.cpus, gpus, concurrency, nodes=nodes, coming=(worker,) * more)


def _known_gpus(config: Config) -> float | Literal["auto"]:
    """Cards of a trial of the run, by the numeric mode that it was last worked on in; auto where it is a new one."""
    path = Path(config.run.root).expanduser() / config.run.name
    if not is_run(path):
        return "auto"
    provenance = RunDirectory.open(path).provenance
    last = [provenance, *provenance.get("turns", [])][-1]
    return 1.0 if last["mode"]["device"] == "cuda" else 0.0


def private_cores(config: Config) -> int:
    """Cores of a private Ray: those of the machine, or as many as the trials side by side ask for."""
    slots = local_slots(config.trial.cpus, config.trial.gpus, config.search.concurrency)
    return max(local_cores(), math.ceil(slots.count * slots.cpus))


def mode_at(config: Config, address: str | None) -> Mode | Callable[[], Mode]:
    """The numeric mode of the workers at `address`: that of this machine, or a question to a worker of a cluster.

    A cluster may have to start machines to answer: ask when nothing else is left to be done before the search.

    Raises:
        ClusterError: Ray cannot be reached; when asking, also where no worker can train.
        ConfigError: as `current_mode`, for this machine.
    """
    found = resolve(address)
    if found == "local":
        leave_used_cards(config)
        return current_mode(config)
    _require_chosen(config, found)
    return lambda: _asked(config, found)


def _require_chosen(config: Config, address: str) -> None:
    """Raise ConfigError where a cluster is to train with a back-end that is measured here."""
    if config.folds.batch == "auto":
        raise ConfigError(
            "folds.batch=auto measures on this machine, not on a cluster",
            received=f"the cluster at {address}",
            fix="give folds.backend and folds.chunk; a dry run on a machine of the cluster says which are fastest",
        )


def leave_used_cards(config: Config) -> None:
    """Hide the cards that others use from this process and those that it starts, where the user has named none.

    Raises:
        ClusterError: others use all of them.
    """
    if config.trial.gpus == 0:
        return
    cards = free_cards(cards_here(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    if cards is not None:
        os.environ |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, cards))}


def _asked(config: Config, address: str) -> Mode:
    with cluster(address, cpus=0) as on:
        return workers_mode(config, slots_on(config, on))


def place_lines(config: Config, place: Place) -> list[str]:
    """What is to be said of a place before a search starts there.

    A trial with more cores than the machine has, keys that change nothing there, and how far a cluster may grow.
    """
    cores = local_cores()
    crowded = not place.cluster and config.trial.cpus > cores
    asked = f"trial.cpus={config.trial.cpus:g}, and this machine has {counted(cores, 'core')}"
    slow = [f"{asked}: a trial starts all the same, and is slower for it"] if crowded else []
    return [*slow, *_idle(config.cluster, place), *_growth(place)]


def _idle(given: Growth, place: Place) -> list[str]:
    """The keys of `cluster` that are set, where they change nothing."""
    names = [field.name for field in fields(Growth) if getattr(given, field.name) != field.default]
    if not names or (place.cluster and given.max_workers is not None):
        return []
    why = (
        "without cluster.max_workers"
        if place.cluster
        else "on this machine: no cluster is joined (--address)"
    )
    keys = " and ".join(f"cluster.{name}" for name in names)
    return [f"{keys} {'has' if len(names) == 1 else 'have'} no effect {why}"]


def _growth(place: Place) -> list[str]:
    """How far a cluster may grow for a search; nothing for one that stays as it is."""
    if place.workers is None or place.worker is None:
        return []
    cards = f", {place.workers * place.worker.gpus:g} cards" if place.worker.gpus else ""
    size = f"{place.worker.cpus:g} CPU and {place.worker.gpus:g} GPU"
    return [f"at most {place.workers} workers of {size}{cards}, all asked for at once"]

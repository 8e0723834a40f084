"""How many trials run side by side, and what each one occupies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mersearch.cores import local_cores
from mersearch.counted import counted
from mersearch.errors import ClusterError

CROWD: Final = 64
"""Trials for each core of a machine, at the most: every one is a process."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Room for `count` trials of `cpus` cores and `gpus` cards each."""

    count: int
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of a cluster."""

    cpus: float
    gpus: float

    def room(self, cpus: float, gpus: float) -> int:
        """Trials of `cpus` cores and `gpus` cards that it holds."""
        by_cores = min(int(self.cpus / cpus + 1e-9), _most(self.cpus, cpus))
        return min(by_cores, _on_cards(int(self.gpus), gpus)) if gpus else by_cores


def local_cards() -> int:
    """Cards that this process sees; `CUDA_VISIBLE_DEVICES` limits them."""
    import torch

    return torch.cuda.device_count()


def local_slots(
    cpus: float,
    gpus: float | Literal["auto"],
    concurrency: int | Literal["auto"],
    *,
    cores: int | None = None,
    cards: int | None = None,
) -> Slots:
    """Slots of this machine: as many as its cards have room for, without cards as many as its cores have.

    Args:
        cpus: cores per trial; one trial runs even where it asks for more than there are.
        gpus: cards per trial, a fraction shares one; auto = 1 where there are cards, else 0.
        concurrency: a number is taken as it is, but never more than the cards hold, or than `CROWD` for each core
            (for each `cpus` cores where that is above 1).
        cores, cards: what the machine has; asked where not given.

    Raises:
        ClusterError: a trial asks for more cards than there are.
    """
    cores = local_cores() if cores is None else cores
    cards = local_cards() if cards is None else cards
    each = float(min(1, cards)) if gpus == "auto" else gpus
    most = max(1, _most(cores, cpus))
    if not each:
        wanted = max(1, int(cores / cpus)) if concurrency == "auto" else concurrency
        return Slots(min(wanted, most), cpus, 0.0)
    room = _on_cards(cards, each)
    if not room:
        raise ClusterError(
            "trial.gpus must not exceed the cards of the machine",
            received=f"trial.gpus={each:g}, {counted(cards, 'card')} visible",
            fix="trial.gpus=0 trains on the processor; CUDA_VISIBLE_DEVICES may hide cards",
        )
    return Slots(min(most, room if concurrency == "auto" else min(concurrency, room)), cpus, each)


def cluster_slots(
    cpus: float,
    gpus: float | Literal["auto"],
    concurrency: int | Literal["auto"],
    *,
    nodes: Sequence[Node],
    coming: Sequence[Node] = (),
) -> Slots:
    """Slots of a cluster, as large as it may become: the demand for all of them reaches its autoscaler at once.

    Args:
        cpus, gpus: of a trial; gpus auto = 1 where a node has or will have cards.
        concurrency: a number is taken as it is: it may exceed what there is, and wait.
        nodes: machines that are there.
        coming: machines beyond these that the cluster may start.

    Raises:
        ClusterError: there is no room for one trial, and no concurrency is given to wait for more; or `gpus` is
            auto, the cluster may grow, and nothing says that it has or will have cards.
    """
    every = (*nodes, *coming)
    if gpus == "auto" and coming and not any(node.gpus >= 1 for node in every):
        raise ClusterError(
            "trial.gpus=auto needs to know whether the machines that the cluster may start have cards",
            received=f"none of {len(nodes)} machines that are up has a card, and cluster.worker_gpus says the same "
            f"of {len(coming)} to come",
            fix="cluster.worker_gpus=1 (the cards of such a machine), or trial.gpus=0 to train on processors",
        )
    each = float(any(node.gpus >= 1 for node in every)) if gpus == "auto" else gpus
    room = sum(node.room(cpus, each) for node in every)
    if concurrency != "auto":
        return Slots(concurrency, cpus, each)
    if room < 1:
        largest = max(every, key=lambda node: (node.gpus, node.cpus), default=Node(0, 0))
        raise ClusterError(
            "the cluster must have room for one trial",
            received=f"its largest machine has {largest.cpus:g} CPU and {largest.gpus:g} GPU; "
            f"a trial asks for {cpus:g} and {each:g}",
            fix="lower trial.cpus or trial.gpus; where the cluster starts machines by itself, say how many and of "
            "which size: cluster.max_workers, cluster.worker_cpus, cluster.worker_gpus",
        )
    return Slots(room, cpus, each)


def _most(cores: float, cpus: float) -> int:
    """Trials of `cpus` cores that a machine bears: every one is a process at least."""
    return int(CROWD * cores / max(1.0, cpus) + 1e-9)


def _on_cards(cards: int, each: float) -> int:
    """Trials that fit on the cards; a trial of less than a card does not spread over two."""
    return cards * int(1 / each + 1e-9) if each < 1 else int(cards / each + 1e-9)

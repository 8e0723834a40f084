"""How many trials run side by side, and what each one occupies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from mersearch.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Slots:
    """Room for `count` trials of `cpus` cores and `gpus` cards each."""

    count: int
    cpus: float
    gpus: float


def local_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        concurrency: a number is taken as it is, but never more than the cards hold.
        cores, cards: what the machine has; asked where not given.

    Raises:
        ClusterError: a trial asks for more cards than there are.
    """
    cores = local_cores() if cores is None else cores
    cards = local_cards() if cards is None else cards
    each = float(min(1, cards)) if gpus == "auto" else gpus
    if not each:
        return Slots(max(1, int(cores / cpus)) if concurrency == "auto" else concurrency, cpus, 0.0)
    room = _on_cards(cards, each)
    if not room:
        raise ClusterError(
            "trial.gpus must not exceed the cards of the machine",
            received=f"trial.gpus={each:g}, {cards} card(s) visible",
            fix="trial.gpus=0 trains on the processor; CUDA_VISIBLE_DEVICES may hide cards",
        )
    return Slots(room if concurrency == "auto" else min(concurrency, room), cpus, each)


def cluster_slots(
    cpus: float,
    gpus: float | Literal["auto"],
    concurrency: int | Literal["auto"],
    *,
    cores: float,
    cards: float,
) -> Slots:
    """Slots of a cluster that has `cores` and `cards` now; a concurrency that is given may exceed it and wait.

    Raises:
        ClusterError: there is no room for one trial, and no concurrency is given to wait for more.
    """
    each = float(min(1, cards)) if gpus == "auto" else gpus
    room = int(cores / cpus)
    if each:
        room = min(room, _on_cards(int(cards), each))
    if concurrency != "auto":
        return Slots(concurrency, cpus, each)
    if room < 1:
        raise ClusterError(
            "the cluster must have room for one trial",
            received=f"{cores:g} CPU and {cards:g} GPU; a trial asks for {cpus:g} and {each:g}",
            fix="lower trial.cpus or trial.gpus, or give search.concurrency where the cluster grows by itself",
        )
    return Slots(room, cpus, each)


def _on_cards(cards: int, each: float) -> int:
    """Trials that fit on the cards; a trial of less than a card does not spread over two."""
    return cards * int(1 / each + 1e-9) if each < 1 else int(cards / each + 1e-9)

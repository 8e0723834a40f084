"""`trial.gpus=auto` on cards: one trial is measured, and as many share a card as fit."""

from __future__ import annotations

import dataclasses

from mersearch.config.records import Config
from mersearch.cores import local_cores
from mersearch.measuring import chunk_memory
from mersearch.search.packing import share
from mersearch.search.probe import asked
from mersearch.search.ray_cluster import Cluster
from mersearch.search.slots import Node, local_cards
from mersearch.search.worker import Study


def packed(config: Config, study: Study, on: Cluster) -> tuple[Config, str]:
    """The configuration with `trial.gpus` as it was measured on a connected Ray, and what to tell of it.

    As it is where trials train on processors, where the key is given, where a trial trains in several processes, or
    where no worker can measure: in the last two a trial has a card alone.
    """
    several = study.mode["backend"] == "processes"
    if config.trial.gpus != "auto" or study.mode["device"] != "cuda" or several:
        return config, ""
    memory = asked(chunk_memory, study, cpus=config.trial.cpus, gpus=1)
    if memory is None:
        return config, "what a trial needs of a card could not be measured: every trial has one alone"
    machine = _machine(on)
    gpus = share(memory, cpus=config.trial.cpus, cores=machine.cpus, cards=machine.gpus)
    told = f"a trial needs {memory.text()} of a card: {int(1 / gpus + 1e-9)} at a time on each (trial.gpus={gpus:g})"
    return dataclasses.replace(config, trial=dataclasses.replace(config.trial, gpus=gpus)), told


def _machine(on: Cluster) -> Node:
    """The machine with cards that has the fewest cores for each; this one for a private Ray."""
    if on.private:
        return Node(local_cores(), max(1, local_cards()))
    every = (*((on.head,) if on.head else ()), *on.workers)
    return min(
        (node for node in every if node.gpus), key=lambda node: node.cpus / node.gpus, default=Node(1, 1)
    )

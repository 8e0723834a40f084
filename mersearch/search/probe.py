"""What the workers of a cluster are: the driver may have no card, and another processor than they have."""

from __future__ import annotations

from typing import Final

from mersearch.config.records import Config
from mersearch.errors import ClusterError
from mersearch.numerics import Mode, mode_on
from mersearch.search.slots import Slots

PATIENCE: Final = 600.0
"""Seconds for a cluster to give one trial's room, as one that starts machines when they are asked for needs."""


def workers_mode(config: Config, slots: Slots, patience: float = PATIENCE) -> Mode:
    """The numeric mode of the first worker that a connected Ray gives a trial's resources.

    Every worker compares itself with it when it starts, see `worker.remark_on`.

    Raises:
        ClusterError: no worker answers, or it cannot train: it has no card that torch can use, or no mersearch.
    """
    import ray

    device = "cuda" if slots.gpus else "cpu"
    ask = ray.remote(num_cpus=slots.cpus, num_gpus=slots.gpus, max_retries=0)(mode_on)
    wanted = f"a worker with {slots.cpus:g} CPU and {slots.gpus:g} GPU"
    answer = ask.remote(config, device)
    try:
        mode: Mode = ray.get(answer, timeout=patience)
    except ray.exceptions.GetTimeoutError as error:
        ray.cancel(answer, force=True)
        raise ClusterError(
            "a worker of the cluster must answer",
            received=f"{wanted}: none within {patience:g} s",
            fix="wait until the cluster has room, or lower trial.cpus or trial.gpus",
        ) from error
    except ray.exceptions.RayError as error:
        raise ClusterError(
            "a worker of the cluster must be able to train",
            received=f"{wanted}: {str(error).strip().splitlines()[-1]}",
            fix="install this version of mersearch and a torch that sees the card on every machine of the cluster; "
            "trial.gpus=0 trains on processors",
        ) from error
    return mode

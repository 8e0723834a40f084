"""What the workers of a cluster are: the driver may have no card, and another processor than they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from mersearch.config.records import Config
from mersearch.errors import ClusterError
from mersearch.numerics import Mode, mode_on
from mersearch.search.slots import Slots

PATIENCE: Final = 600.0
"""Seconds for a cluster to give one trial's room, as one that starts machines when they are asked for needs."""


def device_of(slots: Slots) -> str:
    """What a trial trains on: `cuda` where it occupies cards, else `cpu`."""
    return "cuda" if slots.gpus else "cpu"


class Asked:
    """What an actor of a worker machine is made of: it says the numeric mode there."""

    def mode(self, config: Config, device: str) -> Mode:
        """As `mode_on`."""
        return mode_on(config, device)


def workers_mode(config: Config, slots: Slots, patience: float = PATIENCE) -> Mode:
    """The numeric mode of the first worker that a connected Ray gives a trial's resources.

    All slots are asked for, though one answer is enough: a cluster that starts machines starts all of them now.
    Every worker compares itself with the answer when it starts, see `worker.remark_on`. Actors are asked, not tasks:
    a task that is cancelled at the moment in which it is done ends the whole process, in Ray's own code.

    Raises:
        ClusterError: no worker answers, or it cannot train: it has no card that torch can use, or no mersearch.
    """
    import ray

    actor = ray.remote(num_cpus=slots.cpus, num_gpus=slots.gpus)(Asked)
    wanted = f"a worker with {slots.cpus:g} CPU and {slots.gpus:g} GPU"
    actors = [actor.remote() for _ in range(slots.count)]
    answers = [each.mode.remote(config, device_of(slots)) for each in actors]
    try:
        answered, _ = ray.wait(answers, num_returns=1, timeout=patience)
        if not answered:
            raise ClusterError(
                "a worker of the cluster must answer",
                received=f"{wanted}: none within {patience:g} s",
                fix="wait until the cluster has room, or lower trial.cpus or trial.gpus",
            )
        mode: Mode = ray.get(answered[0])
    except ray.exceptions.RayError as error:
        raise ClusterError(
            "a worker of the cluster must be able to train",
            received=f"{wanted}: {str(error).strip().splitlines()[-1]}",
            fix="install this version of mersearch and a torch that sees the card on every machine of the cluster; "
            "trial.gpus=0 trains on processors",
        ) from error
    finally:
        for each in actors:
            ray.kill(each)
    return mode


T = TypeVar("T")


def asked(question: Callable[..., T], *arguments: Any, cpus: float, gpus: float) -> T | None:
    """What a worker of a connected Ray answers; None where it cannot."""
    import ray

    ask = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0, max_calls=1)(question)
    try:
        answer: T = ray.get(ask.remote(*arguments), timeout=PATIENCE)
    except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
        return None
    return answer

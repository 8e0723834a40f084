"""Starts a private Ray on this machine or joins a running cluster, and leaves nothing behind.

A plain `ray.init()` joins whatever Ray it finds on the machine, and keeps a token under the user's home. Here the
address, the temporary folder and the token are always explicit.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mersearch.errors import ClusterError
from mersearch.interrupts import interrupt_deferred
from mersearch.search.address import resolve, unreachable
from mersearch.search.slots import Node
from mersearch.search.surroundings import (
    environment,
    handler_kept,
    own_token,
    refresh_authentication,
    short_folder,
)

QUIET: Final = {  # some of it is read when Ray is imported
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "60",
}
OWN: Final = {"RAY_worker_niceness": "0"}
"""For a Ray of this process alone: its workers are as urgent as the command. Ray would start them 15 steps below it,
and on a machine that others use too they would hardly run."""
IMPATIENT: Final = {"RAY_NUM_REDIS_GET_RETRIES": "1", "RAY_py_gcs_connect_timeout_s": "10"}
"""Another service at the address is noticed within half a minute instead of a quarter of an hour."""
DOCTOR: Final = "see mersearch doctor"
LATE: Final = (
    "a busy machine may start it too late: give the same command again, or when less runs; " + DOCTOR
)
NEEDED: Final = {"gcs_server", "raylet"}
"""Processes without which a Ray cannot go on."""
HEAD: Final = "node:__internal_head__"
"""A resource that only the first machine of a cluster has."""
THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that this process is connected to.

    Attributes:
        address: host and port.
        folder: scratch of this process, removed with the cluster.
        private: whether it was started for this process alone.
        cpus, gpus: what the cluster has now.
        head: its first machine, where that is known.
        workers: its other machines.
    """

    address: str
    folder: Path
    private: bool
    cpus: float
    gpus: float
    head: Node | None = None
    workers: tuple[Node, ...] = ()

    def lost(self) -> str:
        """What of Ray has ended under this process; empty while all of it runs.

        Of a cluster only the head is looked at, by a connection to it: ask no more often than you would connect.

        Ray itself ends this process some time later (after 15 s without its raylet, 60 s without its GCS), with
        exit code 1 and past every handler; `Lookout` is earlier. It does so at once where they end while it connects:
        then too, `resume` goes on with everything that was finished.
        """
        import ray

        if not self.private:
            return f"head at {self.address}" if unreachable(self.address) else ""
        node = ray._private.worker._global_node
        names = {name for name, _ in node.dead_processes()} if node is not None else set()
        return " and ".join(sorted(names & NEEDED))


@contextmanager
def cluster(
    address: str | None = None,
    *,
    cpus: float,
    gpus: float = 0,
    threads: int = 1,
    object_store_mb: int = 80,
) -> Iterator[Cluster]:
    """The cluster at `address` (or at `RAY_ADDRESS`); with neither, a private Ray that ends with the context.

    Args:
        address: `HOST:PORT`, `auto` for the Ray running on this machine, `local` for a private one.
        cpus, gpus: size of a private Ray; a cluster has its own.
        threads: threads of a worker's math libraries.
        object_store_mb: shared memory of a private Ray, at least 75.

    Raises:
        ClusterError: Ray does not start, does not answer, or refuses this process.
    """
    address = resolve(address)
    with ExitStack() as stack:
        stack.enter_context(handler_kept(signal.SIGTERM))
        folder = stack.enter_context(short_folder())
        variables = QUIET | dict.fromkeys(THREADS, str(threads))
        if address == "local":
            token = own_token(folder)
            options = {
                "num_cpus": cpus,
                "num_gpus": gpus,
                "include_dashboard": False,
                "object_store_memory": object_store_mb * 2**20,
                "_temp_dir": str(folder),
            }
            own = {name: os.environ.get(name, value) for name, value in OWN.items()}
            stack.enter_context(
                environment(variables | own | token, without=("RAY_AUTH_TOKEN", "RAY_ADDRESS"))
            )
        else:
            inherited = dict.fromkeys(THREADS, str(threads)) | {"RAY_CHDIR_TO_TRIAL_DIR": "0"}
            options = {"runtime_env": {"env_vars": inherited}}
            stack.enter_context(environment(variables | IMPATIENT))
        yield stack.enter_context(_connected(address, folder, options))


@contextmanager
def _connected(address: str, folder: Path, options: Mapping[str, Any]) -> Iterator[Cluster]:
    with interrupt_deferred():
        import ray

    if ray.is_initialized():
        raise ClusterError(
            "one process runs one search at a time", fix="start the other one in a process of its own"
        )
    try:
        with interrupt_deferred():
            refresh_authentication()
            started = _started(address, folder, options)
        yield started
    finally:
        with interrupt_deferred():  # half of it leaves threads that never end: the first Ctrl-C waits
            ray.shutdown()


def _started(address: str, folder: Path, options: Mapping[str, Any]) -> Cluster:
    import ray

    try:
        context = ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        resources, nodes = ray.cluster_resources(), ray.nodes()
        found = context.address_info["address"]
    except Exception as error:  # plain ones among them, as where the raylet ends while it starts
        raise _refused(address, error) from error
    cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    head = next((_node(each) for each in alive if HEAD in each), None)
    workers = tuple(_node(each) for each in alive if HEAD not in each)
    return Cluster(found, folder, address == "local", cpus, gpus, head, workers)


def _node(resources: Mapping[str, float]) -> Node:
    return Node(resources.get("CPU", 0.0), resources.get("GPU", 0.0))


def _refused(address: str, error: Exception) -> ClusterError:
    text = " ".join(str(error).split())
    received = f"{address}: {text[:300]}{'…' if len(text) > 300 else ''}"
    if address == "local":
        return ClusterError(
            "Ray must start on this machine", received=received, fix=LATE if "timed out" in text else DOCTOR
        )
    if text.startswith("Version mismatch"):
        fix = "install the same versions of Ray and Python here and on the cluster"
        return ClusterError("the cluster runs other versions", received=received, fix=fix)
    if any("InvalidAuthToken" in str(each) or "uthentication token" in str(each) for each in _chain(error)):
        fix = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the cluster's token"
        return ClusterError("the cluster refuses this process", received=received, fix=fix)
    fix = "start Ray on this machine too (ray start --address HOST:PORT), and check the address"
    return ClusterError("Ray must be running at the address", received=received, fix=fix)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""Starts a private Ray on this machine or joins a running cluster, and leaves nothing behind.

A plain `ray.init()` joins whatever Ray it finds on the machine, and keeps a token under the user's home. Here the
address, the temporary folder and the token are always explicit.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mersearch.errors import ClusterError
from mersearch.search import guardian
from mersearch.search.address import require

LONGEST: Final = 24
"""Characters of a temporary folder: Ray puts Unix sockets (at most 107) 83 characters below it."""
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
THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray that this process is connected to.

    Attributes:
        address: host and port.
        folder: scratch of this process, removed with the cluster.
        private: whether it was started for this process alone.
        cpus, gpus: what the cluster has now.
    """

    address: str
    folder: Path
    private: bool
    cpus: float
    gpus: float


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
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    with ExitStack() as stack:
        stack.enter_context(_handler_of(signal.SIGTERM))
        folder = stack.enter_context(_folder())
        variables = QUIET | dict.fromkeys(THREADS, str(threads))
        if address == "local":
            token = _token(folder)
            options = {
                "num_cpus": cpus,
                "num_gpus": gpus,
                "include_dashboard": False,
                "object_store_memory": object_store_mb * 2**20,
                "_temp_dir": str(folder),
            }
            stack.enter_context(_environment(variables | token, without=("RAY_AUTH_TOKEN", "RAY_ADDRESS")))
        else:
            _preflight(address)
            inherited = dict.fromkeys(THREADS, str(threads)) | {"RAY_CHDIR_TO_TRIAL_DIR": "0"}
            options = {"runtime_env": {"env_vars": inherited}}
            stack.enter_context(_environment(variables))
        yield stack.enter_context(_connected(address, folder, options))


@contextmanager
def _connected(address: str, folder: Path, options: Mapping[str, Any]) -> Iterator[Cluster]:
    import ray

    if ray.is_initialized():
        raise ClusterError(
            "one process runs one search at a time", fix="start the other one in a process of its own"
        )
    _refresh_authentication()
    try:
        context = ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        resources = ray.cluster_resources()
        found = context.address_info["address"]
        cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    except (RuntimeError, OSError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        raise _refused(address, error) from error
    except BaseException:
        ray.shutdown()
        raise
    try:
        yield Cluster(found, folder, address == "local", cpus, gpus)
    finally:
        ray.shutdown()


def _preflight(address: str) -> None:
    if address.startswith("ray://"):
        raise ClusterError(
            "a search runs on a machine of the cluster, not through a Ray client",
            received=address,
            fix="start it there (ray job submit, ssh), with --address HOST:PORT of the head",
        )
    if address != "auto":
        require(address)


def _refused(address: str, error: Exception) -> ClusterError:
    text = " ".join(str(error).split())
    received = f"{address}: {text[:300]}{'…' if len(text) > 300 else ''}"
    if address == "local":
        return ClusterError("Ray must start on this machine", received=received, fix="see mersearch doctor")
    if text.startswith("Version mismatch"):
        fix = "install the same versions of Ray and Python here and on the cluster"
        return ClusterError("the cluster runs other versions", received=received, fix=fix)
    if "oken" in text or "uthentication" in text:
        fix = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to the cluster's token"
        return ClusterError("the cluster refuses this process", received=received, fix=fix)
    fix = "start Ray on this machine too (ray start --address HOST:PORT), and check the address"
    return ClusterError("Ray must be running at the address", received=received, fix=fix)


def _token(folder: Path) -> dict[str, str]:
    """The variables of a token of its own, in a file that only this user reads."""
    path = folder / "token"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode())
    finally:
        os.close(descriptor)
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


def _refresh_authentication() -> None:
    """Make Ray read the authentication variables again: it does so once, when it is imported."""
    raylet = importlib.import_module("ray._raylet")
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _folder() -> Iterator[Path]:
    """A new folder with a short path, which a guardian removes even after this process was killed."""
    where = tempfile.gettempdir()
    try:
        folder = Path(tempfile.mkdtemp(prefix="mersearch-", dir=where if len(where) <= LONGEST else "/tmp"))
    except OSError as error:
        fix = "set TMPDIR to a writable folder with a short path"
        raise ClusterError("Ray needs a temporary folder", received=str(error), fix=fix) from error
    command = [sys.executable, "-I", guardian.__file__, str(folder), str(os.getpid())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    ):
        yield folder


@contextmanager
def _environment(variables: Mapping[str, str], without: tuple[str, ...] = ()) -> Iterator[None]:
    """`variables` in the environment, those of `without` not, until the context ends."""
    before = {name: os.environ.get(name) for name in (*variables, *without)}
    os.environ.update(variables)
    for name in without:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _refresh_authentication()


@contextmanager
def _handler_of(number: signal.Signals) -> Iterator[None]:
    """Put the handler of a signal back, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before)

"""A cluster on this machine that grows: Ray's real autoscaler, real raylets, and cards that exist only on paper.

Ray's own provider of fake nodes starts a raylet where a cloud would start a machine. Everything runs with a token
of its own, below a folder with a short path, and ends by process id: every process inherits a variable that no
other one has.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mersearch.search.surroundings import short_folder
from tests.commands import ROOT, Command, processes, until

MARK = "MERSEARCH_TESTED_CLUSTER"
HEAD = "f" * 51 + "00000"
"""Node id of the head; those of the workers count up from it."""
STORE = 80 * 2**20
"""Bytes of shared memory of a node."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Growing:
    """A head without cores, and up to `workers` nodes with one core and one invented card each.

    Args:
        folder: a new folder with a short path; its owner removes it.
        workers: nodes beside the head at the most.
        idle: seconds without work after which a node goes back.
    """

    def __init__(self, folder: Path, workers: int = 3, idle: float = 3.0) -> None:
        self.folder, self._start = folder, time.monotonic()
        self.address = f"127.0.0.1:{_free_port()}"
        self._mark = f"{os.getpid()}-{time.monotonic_ns()}"
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.authentication = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self._config = folder / "cluster.yaml"
        self._config.write_text(json.dumps(_config(self.address, workers, idle)))
        self.launch()

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to join."""
        return {**self.authentication, "RAY_ADDRESS": self.address}

    def command(self, folder: Path, *arguments: str) -> Command:
        """A `mersearch` command on the head, whose workers train on processors although they occupy cards."""
        program = (sys.executable, "-m", "tests.on_paper")
        return Command(folder, *arguments, program=program, variables=self.environment)

    def launch(self) -> None:
        """Start the head, at first or after it was killed."""
        host, _, port = self.address.partition(":")
        self._ray(
            "start", "--head", f"--node-ip-address={host}", f"--port={port}", f"--temp-dir={self.folder / 'ray'}",
            f"--autoscaling-config={self._config}", "--num-cpus=0", f"--object-store-memory={STORE}",
            "--include-dashboard=false", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0",
            RAY_CLOUD_INSTANCE_ID=HEAD, RAY_OVERRIDE_NODE_ID_FOR_TESTING=HEAD,
        )  # fmt: skip

    def drain(self, node: str, seconds: float) -> None:
        """Tell a node that it will be taken away, as a cloud does before it takes a spot machine back."""
        self._ray(
            "drain-node", f"--address={self.address}", f"--node-id={node}", "--reason-message=taken back",
            "--reason=DRAIN_NODE_REASON_PREEMPTION", f"--deadline-remaining-seconds={seconds:.0f}",
        )  # fmt: skip

    def _ray(self, *arguments: str, **variables: str) -> None:
        environment = {
            **os.environ,
            **self.authentication,
            **dict.fromkeys(THREADS, "1"),
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder / "home"),
            MARK: self._mark,
            **variables,
        }
        environment.pop("RAY_ADDRESS", None)
        done = subprocess.run(
            [sys.executable, "-c", "from ray.scripts.scripts import main; main()", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=300,
        )  # fmt: skip
        assert not done.returncode, f"ray {' '.join(arguments)}:\n{done.stdout}{done.stderr}"

    def alive(self) -> dict[int, str]:
        """Process id → command line of everything that belongs to the cluster."""
        table = processes()
        return {pid: line for pid, (_, line) in table.items() if f"{MARK}={self._mark}" in _environ(pid)}

    def raylets(self) -> dict[str, int]:
        """Node id → process id of the raylet of every worker node."""
        found = {}
        for pid, line in self.alive().items():
            if Path(line.partition(" ")[0]).name == "raylet":
                node = _variable(pid, "RAY_OVERRIDE_NODE_ID_FOR_TESTING")
                if node != HEAD:
                    found[node] = pid
        return found

    def kill_node(self, node: str) -> None:
        """`kill -9` of a worker node: its raylet and everything on it."""
        self._kill(
            {pid for pid in self.alive() if _variable(pid, "RAY_OVERRIDE_NODE_ID_FOR_TESTING") == node}
        )

    def kill_head(self) -> None:
        """`kill -9` of everything that runs on the head: GCS, autoscaler, raylet; the nodes are on their own then."""
        self._kill(
            {pid for pid in self.alive() if _variable(pid, "RAY_OVERRIDE_NODE_ID_FOR_TESTING") == HEAD}
        )

    def end(self) -> None:
        """End every process of the cluster."""
        for _ in range(20):
            left = set(self.alive())
            if not left:
                return
            self._kill(left)

    def _kill(self, victims: set[int]) -> None:
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not victims & set(self.alive()), 20)

    def log(self, name: str) -> str:
        """A log of Ray's."""
        return (self.folder / "ray" / "session_latest" / "logs" / name).read_text(errors="replace")


@contextmanager
def growing(workers: int = 3, idle: float = 3.0) -> Iterator[Growing]:
    """A cluster that ends with the context."""
    with short_folder() as folder:
        cluster: Growing | None = None
        try:
            cluster = Growing(folder, workers, idle)
            yield cluster
        finally:
            if cluster is not None:
                cluster.end()


def _config(address: str, workers: int, idle: float) -> dict[str, Any]:
    provider = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
    node = {"resources": {"CPU": 1, "GPU": 1, "object_store_memory": STORE}, "node_config": {}}
    return {
        "cluster_name": "growing",
        "max_workers": workers,
        "idle_timeout_minutes": idle / 60,
        "provider": {
            "type": "external",
            "module": provider,
            "launch_multiple": True,
            "head_node_id": HEAD,
            "gcs_address": address,
        },
        "auth": {},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "card": {**node, "min_workers": 0, "max_workers": workers},
        },
        "file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False,
        "rsync_exclude": [], "rsync_filter": [], "initialization_commands": [], "setup_commands": [],
        "head_setup_commands": [], "worker_setup_commands": [], "head_start_ray_commands": [],
        "worker_start_ray_commands": [],
    }  # fmt: skip


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _environ(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return []


def _variable(pid: int, name: str) -> str:
    return next((line.partition("=")[2] for line in _environ(pid) if line.startswith(f"{name}=")), "")

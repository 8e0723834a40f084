from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mersearch.errors import ClusterError
from mersearch.search import guardian
from mersearch.search.ray_cluster import cluster
from mersearch.search.surroundings import LONGEST


def test_an_address_that_does_not_answer_is_said_before_ray_is_imported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ClusterError, match=f"does not answer[\\s\\S]*{address}"), cluster(address, cpus=1):
        pass


def test_the_address_of_the_environment_counts_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    with pytest.raises(ClusterError, match=r"HOST:PORT[\s\S]*nonsense"), cluster(cpus=1):
        pass


def test_a_ray_client_address_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(ClusterError, match="ray job submit"), cluster("ray://head:10001", cpus=1):
        pass


class Refused(Exception):
    """Of no particular kind: Ray raises plain exceptions too."""


@pytest.mark.parametrize(
    ("text", "rule", "fix"),
    [
        (
            "Version mismatch: The cluster was started with: Ray: 2.1",
            "other versions",
            "same versions of Ray",
        ),
        (
            "Failed to connect caused by RPC error: InvalidAuthToken",
            "refuses this process",
            "RAY_AUTH_TOKEN_PATH",
        ),
        ("The current node timed out during startup", "must be running", "ray start --address"),
        ("Failed to connect to Ray cluster at 10.0.0.1:6379", "must be running", "ray start --address"),
    ],
)
def test_a_cluster_that_refuses_says_why_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, text: str, rule: str, fix: str
) -> None:
    import ray

    def refuse(*_: Any, **__: Any) -> None:
        raise Refused(text.partition(" caused by ")[0]) from RuntimeError(text)

    monkeypatch.setattr(ray, "init", refuse)
    short = tempfile.mkdtemp(prefix="m", dir="/tmp")
    monkeypatch.setattr("tempfile.gettempdir", lambda: short)
    environment, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match=rf"{rule}[\s\S]*{fix}"), cluster(address, cpus=1):
            pass
    assert dict(os.environ) == environment
    assert signal.getsignal(signal.SIGTERM) == handler
    Path(short).rmdir()  # it is empty again


def test_the_longest_socket_path_of_ray_fits_into_107_characters() -> None:
    folder = "x" * LONGEST + "/mersearch-12345678"
    assert len(f"{folder}/session_2026-12-31_23-59-59_123456_4194304/sockets/plasma_store") <= 107


def test_a_guardian_ends_who_writes_into_the_folder_when_its_driver_is_gone_and_nobody_else(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "mersearch-x"
    folder.mkdir()
    (folder / "log").touch()
    hold = "import sys, time; f = open(sys.argv[1], sys.argv[2]); print(flush=True); time.sleep(60)"
    holders = [
        subprocess.Popen([sys.executable, "-c", hold, str(folder / "log"), mode], stdout=subprocess.PIPE)
        for mode in ("a", "r", "a")
    ]
    writer, reader, driver = holders
    for holder in holders:
        assert holder.stdout is not None
        holder.stdout.readline()
    try:
        command = [sys.executable, "-I", guardian.__file__, str(folder), str(driver.pid)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as guard:
            assert guard.poll() is None
            assert folder.exists()
        assert guard.returncode == 0
        assert writer.wait(timeout=5) == -signal.SIGKILL
        assert (reader.poll(), driver.poll()) == (None, None)
        assert not folder.exists()
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()

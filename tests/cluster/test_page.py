"""The commands of docs/cluster.md that one machine can run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mersearch.cluster.rendering import render
from tests.commands import CONSOLE_SCRIPT, ROOT

TEXT = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
PORT = "6399"


def blocks(kind: str) -> list[str]:
    """The blocks of the page that are marked so."""
    return re.findall(rf"```bash {kind}\n(.*?)```", TEXT, re.DOTALL)


def surroundings() -> dict[str, str]:
    path = f"{CONSOLE_SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def run(commands: str, folder: Path, **more: str) -> str:
    """What a block prints; it must end with 0."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=surroundings() | more,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_blocks_of_the_page_run(tmp_path: Path) -> None:
    jobs, kubernetes = blocks("run")
    assert "planned maximum: 8 nodes with 8 GPUs, 96 GPU-hours" in run(jobs, tmp_path)
    said = run(kubernetes, tmp_path)
    assert "in 12 hours" in said
    assert "rayjob.yaml: good for kubectl apply" in said
    assert "CHANGE-ME" not in said


def test_every_other_block_needs_a_cluster() -> None:
    elsewhere = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    assert elsewhere
    for block in elsewhere:
        assert re.match(r"sbatch|kubectl|\(umask|WHEELHOUSE", block), block


def test_the_page_starts_a_search_on_a_cloud_with_the_command_of_the_file() -> None:
    (command,) = [line.strip("# ") for line in render("aws", {}).splitlines() if "ray exec --tmux" in line]
    assert f"\n{command}\n" in TEXT


@pytest.fixture
def head(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`local.sh` as the page starts it, on a free port, and what it tells to set."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (command,) = blocks("run-local")
    (tmp_path / "cluster").symlink_to(ROOT / "cluster")
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.strip().replace(PORT, str(port))}"],
        cwd=tmp_path,
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    while not any("export" in line for line in lines):
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    yield process, dict(re.findall(r"(RAY_\w+)=(\S+)", lines[-1]))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    process.stdout.close()


@pytest.mark.ray
def test_a_ray_of_ones_own_serves_the_searches_beside_it_and_leaves_nothing(
    head: tuple[subprocess.Popen[str], dict[str, str]], tmp_path: Path
) -> None:
    process, told = head
    token = Path(told["RAY_AUTH_TOKEN_PATH"])
    host, port = told["RAY_ADDRESS"].rsplit(":", 1)
    assert token.stat().st_mode & 0o777 == 0o600
    until(lambda: answers(host, int(port)))
    (beside,) = blocks("run-beside")
    said = run(beside, tmp_path, HOME=str(tmp_path), **told)
    assert told["RAY_ADDRESS"] in said

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.wait(60)
    assert not token.parent.exists()
    until(lambda: not answers(host, int(port)))


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def until(reached: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_shipped_scripts_can_be_started() -> None:
    assert all(os.access(file, os.X_OK) for file in (ROOT / "cluster").glob("*.sh"))
    assert shutil.which("bash")

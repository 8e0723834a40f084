"""A run whose machine is lost, and which goes on elsewhere from its mirror on an S3 server of this machine.

    python checks/mirror.py

The server is moto's, in an environment of its own that pip fills and that is removed at the end; it keeps the objects
in its memory, and the commands find it by AWS_ENDPOINT_URL, as any S3 that is not Amazon's. One search after another:

1. the driver is killed (-9) between two folds, and its folder taken away: run, cache and all. In another folder with
   nothing but the databases, the same `launch` is refused (it would write over the mirror), and `resume s3://…` goes
   on with the databases that are there. Then every fold of every trial must be there once, with the predictions that
   the configuration has in an evaluation without Ray, and the mirror must hold the whole run. The folder comes back:
   its copy of the run must be refused, and nothing in the mirror be changed by it;
2. the storage answers nobody: the search says so and comes to its end; with the storage back, the next command on
   the run brings everything there.

Ends with 1 where anything is not as it must be.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mersearch.store import RunDirectory  # noqa: E402
from mersearch.store.bucket import Bucket  # noqa: E402
from mersearch.store.mirror import download  # noqa: E402
from tests.commands import Command, until  # noqa: E402
from tests.tiny import Tiny, make, predictions  # noqa: E402
from tests.undisturbed import differing  # noqa: E402

SERVER = "moto[server]"
BUCKET = "runs"
TRIALS = 8
WORKERS = 2
SEARCH = (
    "tiny.yaml", f"search.trials={TRIALS}", f"search.concurrency={WORKERS}", f"run.mirror=s3://{BUCKET}/of",
    "space.algorithm.train.steps.low=20", "space.algorithm.train.steps.high=40",
)  # fmt: skip
HERE = ("data.root=casme2", "macro.root=ckplus", "preprocess.cache=cache")
"""Where the databases are on the other machine."""
MIDDLE = 8
"""Folds after which the machine is lost; a search has about 20."""
KEYS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}
PATIENCE = 600.0


def main() -> int:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mersearch-mirror-") as name:
        folder = Path(name)
        program = install(folder / "server")
        (folder / "first").mkdir()
        tiny = make(folder / "first")
        shutil.copytree(tiny.folder, folder / "second")
        shutil.copytree(tiny.folder, folder / "third")
        port = free_port()
        os.environ.update(KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        with server(program, port, folder):
            good = [lost(tiny, Tiny(folder / "second"), folder / "again")]
        good.append(silent(Tiny(folder / "third"), program, port, folder))
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if all(good) else 1


def install(folder: Path) -> Path:
    """The program of a server, in an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    installed = subprocess.run([*pip, "install", "--quiet", SERVER], capture_output=True, text=True)
    if installed.returncode:
        sys.exit(f"pip could not install {SERVER}:\n{installed.stderr}")
    listed = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True)
    print(*(line for line in listed.stdout.splitlines() if line.startswith("moto==")), flush=True)
    return folder / "bin" / "moto_server"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def server(program: Path, port: int, folder: Path) -> Iterator[None]:
    """An S3 server with an empty bucket, on loopback."""
    from pyarrow import fs

    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            [str(program), "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: answers(port) or process.poll() is not None, 60)
        here = f"http://127.0.0.1:{port}"
        fs.S3FileSystem(endpoint_override=here, allow_bucket_creation=True).create_dir(BUCKET)
        yield
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def lost(first: Tiny, second: Tiny, again: Path) -> bool:
    """A machine is lost with everything on it but what the mirror holds."""
    print("\n=== the machine is lost, another one goes on", flush=True)
    address = f"s3://{BUCKET}/of/tiny"
    with Command(first.folder, "launch", *SEARCH) as command:
        command.at(lambda: first.lines("tiny", "folds.jsonl") >= MIDDLE, PATIENCE)
        command.kill()
        command.leaves_nothing()
    before = predictions(first.run("tiny"))
    back = first.folder.rename(first.folder.with_name("back"))
    with Command(second.folder, "launch", *SEARCH) as command:
        refused = command.ended(2, PATIENCE)
    with Command(second.folder, "resume", address, *HERE) as command:
        said = command.ended(seconds=PATIENCE)
    there = contents(address)
    with Command(back, "resume", "tiny", *HERE) as command:
        late = command.ended(2, PATIENCE)
    untouched = contents(address) == there
    told = [line for text in (refused, said, late) for line in text.splitlines() if wanted(line)]
    print("\n".join(f"  {line.strip()}" for line in told))
    run = second.run("tiny")
    state, found, lines = run.read(), predictions(run), second.lines("tiny", "folds.jsonl")
    taken = next((int(line.split()[2]) for line in told if line.startswith("Going on:")), 0)
    kept = sum(found.get(fold) == value for fold, value in before.items())
    other = differing(run)
    print(f"  {len(before)} folds were finished when the machine was lost, {taken} of them in the mirror")
    print(
        f"  {len(state.trials)} trials, {len(state.missing())} unfinished; {kept} of the {len(before)} as they were"
    )
    print(f"  {len(found)} folds in {lines} lines, {len(found) - len(other)} as in an undisturbed evaluation")
    return (
        len(state.trials) == TRIALS
        and not state.missing()
        and not state.in_state("failed")
        and lines == len(found)
        and not other
        and kept == len(before)
        and len(before) - WORKERS <= taken <= len(before)
        and any("holds a run" in line for line in told)
        and any("from another than this" in line for line in told)
        and untouched
        and whole(run, address, again)
    )


def wanted(line: str) -> bool:
    parts = ("holds a run", "Fetching", "Going on", "from another than this")
    return any(part in line for part in parts)


def contents(address: str) -> dict[str, bytes]:
    """Every object of a mirror."""
    bucket = Bucket(address)
    return {name: bucket.get(name) for name in bucket.names()}


def whole(run: RunDirectory, address: str, folder: Path) -> bool:
    """Whether the mirror holds everything that the run does."""
    copy = RunDirectory.open(download(address, folder))
    same = predictions(copy) == predictions(run) and not copy.read().missing()
    print(f"  the mirror, fetched once more: {'the whole run' if same else 'NOT the run'}", flush=True)
    return same


def silent(tiny: Tiny, program: Path, port: int, folder: Path) -> bool:
    """Nobody answers where the mirror should be; then somebody does."""
    print("\n=== the storage is away during a whole search, then back", flush=True)
    with Command(tiny.folder, "launch", *SEARCH, "search.trials=2", "run.name=silent") as command:
        said = command.ended(seconds=PATIENCE)
        took = command.age()
    behind = [line for line in said.splitlines() if "is behind" in line]
    print("\n".join(f"  {line.partition(' during ')[0][:140]}…" for line in behind))
    run = tiny.run("silent")
    unfinished = len(run.read().missing())
    print(f"  {len(run.read().trials)} trials, {unfinished} unfinished, after {took:.0f} s")
    with server(program, port, folder):
        with Command(tiny.folder, "resume", "silent") as command:
            command.ended(seconds=PATIENCE)
        names = Bucket(f"s3://{BUCKET}/of/silent").names()
        print(f"  after the next command the mirror has {len(names)} objects")
        return len(behind) == 1 and not unfinished and whole(run, f"s3://{BUCKET}/of/silent", folder / "back")


if __name__ == "__main__":
    sys.exit(main())

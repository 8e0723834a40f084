"""The shipped sbatch files on a Slurm of two nodes, installed from Debian and started by this script.

    python checks/slurm.py          as root, on Debian; installs slurmctld, slurmd, slurm-client, munge, iproute2

The two nodes are on this machine, but each has a network namespace with an address of its own and a host name of its
own, so that Ray's head and its worker meet over a network. Then:

1. one search by `cluster/slurm-nodes.sh` on both nodes, to its end;
2. the same search, longer, by `cluster/slurm.sh` on one node with a time limit that is too short: the signal, the
   queue again, and on from where it was, with a limit that is long enough. No fold may be trained twice, and every
   prediction that both searches have is the same.

Everything that was started is ended by its process id. Ends with 1 where anything is not as it must be.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mersearch.store import RunDirectory  # noqa: E402
from tests.commands import processes  # noqa: E402
from tests.tiny import make, predictions  # noqa: E402

PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
    "ip": "iproute2",
}
NODES = {"mersearch-n1": "10.77.0.1", "mersearch-n2": "10.77.0.2"}
BRIDGE, OUTSIDE = "mersearch-br", "10.77.0.254"
TRIALS = 3
"""Of the first search."""
LONG = 600.0
"""Seconds that the second search would train without stopping, whatever the machine: half of them are longer than its
first pass has."""
BETWEEN = 0.2
"""Seconds between two folds."""
SEARCH = ("tiny.yaml", "algorithm.mask.steps=100", "preprocess.cache=cache")
LIMIT = ("--time=6", "--signal=B:USR1@120")
"""Slurm may send the signal up to a minute early, so the first pass has between 180 and 240 seconds."""
LONG_ENOUGH = "60"
"""Minutes that the job may run from its second pass on."""
PATIENCE = 2400.0
OVER = "COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY|DEADLINE|BOOT_FAIL|PREEMPTED"


def main() -> int:
    if os.geteuid() != 0:
        print("this check starts a Slurm of its own: it needs root")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    install()
    with tempfile.TemporaryDirectory(prefix="check-", dir="/tmp") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        stack.enter_context(network())
        stack.enter_context(slurm(folder / "slurm"))
        print(shell("sinfo", "--long").strip(), flush=True)
        jobs = folder / "jobs"
        jobs.mkdir()
        make(jobs)
        ends = [two_nodes(jobs), requeued(jobs), nothing_left(jobs)]
    return 0 if all(ends) else 1


def install() -> None:
    """Debian's packages, where their programs are missing."""
    missing = sorted({package for program, package in PACKAGES.items() if not shutil.which(program)})
    if missing:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", "-qq", *command], check=True, env=quiet, stdout=subprocess.DEVNULL)
    print(f"{shell('slurmctld', '-V').strip()}, {shell('munged', '--version').split(chr(10))[0]}", flush=True)


@contextlib.contextmanager
def network() -> Iterator[None]:
    """A network namespace for each node, and a bridge that this machine is on too."""
    with contextlib.ExitStack() as stack:
        shell("ip", "link", "add", BRIDGE, "type", "bridge")
        stack.callback(shell, "ip", "link", "del", BRIDGE)
        shell("ip", "addr", "add", f"{OUTSIDE}/24", "dev", BRIDGE)
        shell("ip", "link", "set", BRIDGE, "up")
        for number, (node, address) in enumerate(NODES.items()):
            inner = ("ip", "-n", node)
            shell("ip", "netns", "add", node)
            stack.callback(shell, "ip", "netns", "del", node)
            shell(
                "ip", "link", "add", f"ms-veth{number}", "type", "veth", "peer", "name", "eth0", "netns", node
            )
            stack.callback(shell, "ip", "link", "del", f"ms-veth{number}")
            shell("ip", "link", "set", f"ms-veth{number}", "master", BRIDGE, "up")
            shell(*inner, "addr", "add", f"{address}/24", "dev", "eth0")
            shell(*inner, "link", "set", "eth0", "up")
            shell(*inner, "link", "set", "lo", "up")
        yield


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Munge, the controller and both nodes, from start to end; `SLURM_CONF` is set meanwhile."""
    folder.mkdir()
    configure(folder)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    munge = [f"--{key}={folder / 'munge' / file}" for key, file in MUNGE.items()]
    with contextlib.ExitStack() as stack:
        stack.enter_context(daemon(folder, "munged", "--foreground", "--force", "--num-threads=4", *munge))
        until(lambda: (folder / "munge" / "socket").exists(), 20, "munge answers")
        stack.enter_context(daemon(folder, "slurmctld", "-D"))
        for node in NODES:
            own = f"hostname {node} && exec slurmd -D -N {node}"
            inside = ("nsenter", f"--net=/run/netns/{node}", "unshare", "--uts", "sh", "-c", own)
            stack.enter_context(daemon(folder, *inside))
        until(lambda: shell("sinfo", "-h", "-o", "%D %t").strip() == "2 idle", 120, "both nodes are idle")
        stack.callback(cancel)
        yield


def cancel() -> None:
    """End the jobs of a check that did not come to its end, as a user would."""
    for job in shell("squeue", "-h", "-o", "%A").split():
        shell("scancel", "--full", job)
    until(lambda: not shell("squeue", "-h").strip(), 90, "no job runs")


MUNGE = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def configure(folder: Path) -> None:
    for name in ("munge", "state", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(mode=0o755, parents=True)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    nodes = "".join(
        f"NodeName={node} NodeHostname={node} NodeAddr={address} Port={17000 + number} "
        "CPUs=4 RealMemory=16384 Gres=gpu:1\n"
        for number, (node, address) in enumerate(NODES.items())
    )
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    (folder / "slurm.conf").write_text(
        f"""ClusterName=mersearch
SlurmctldHost={os.uname().nodename}({OUTSIDE})
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder / "munge" / "socket"},cred_expire=60
CredType=cred/munge
StateSaveLocation={folder / "state"}
SlurmdSpoolDir={folder / "spool"}/%n
SlurmctldPidFile={folder / "slurmctld.pid"}
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=5
ReturnToService=2
KillWait=30
MpiDefault=none
GresTypes=gpu
{nodes}PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
    )


@contextlib.contextmanager
def daemon(folder: Path, *command: str) -> Iterator[None]:
    """A process that is ended with the context; what it says goes to a file beside the configuration."""
    name = command[-1].split()[-1] if command[0] == "nsenter" else command[0]
    with (folder / f"{name}.out").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield
    except TimeoutError:
        print(f"--- {name}\n{(folder / f'{name}.out').read_text()[-2000:]}")
        raise
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def two_nodes(jobs: Path) -> bool:
    print("\n1. slurm-nodes.sh on two nodes", flush=True)
    job = submit(jobs, "slurm-nodes.sh", ("--nodes=2",), "nodes", f"search.trials={TRIALS}")
    state = wait(job)
    run = RunDirectory.open(jobs / "runs" / "nodes")
    folds = [line["node"] for line in lines(run)]
    by_node = {node: folds.count(node) for node in sorted(set(folds))}
    print(f"job {job}: {state}; trials missing: {len(run.read().missing())}; folds by node: {by_node}")
    good = "COMPLETED" in state and not run.read().missing() and set(by_node) == set(NODES)
    return verdict(good, jobs, job)


def requeued(jobs: Path) -> bool:
    print("\n2. slurm.sh on one node, with a time limit that is too short", flush=True)
    trials = long_enough(RunDirectory.open(jobs / "runs" / "nodes"))
    job = submit(jobs, "slurm.sh", LIMIT, "again", f"search.trials={trials}", "search.concurrency=1")
    until(lambda: again(job), PATIENCE, f"job {job} is in the queue again")
    if "Restarts=0" not in shell("scontrol", "show", "job", job):
        shell("scontrol", "update", f"JobId={job}", f"TimeLimit={LONG_ENOUGH}")
    state = wait(job)
    run = RunDirectory.open(jobs / "runs" / "again")
    said = (jobs / f"mersearch-{job}.log").read_text()
    restarts = int(re.search(r"Restarts=(\d+)", state)[1])  # type: ignore[index]
    taken = [int(number) for number in re.findall(r"Going on: (\d+) folds", said)]
    found, other = predictions(run), predictions(RunDirectory.open(jobs / "runs" / "nodes"))
    both = found.keys() & other.keys()
    same = sum(found[fold] == other[fold] for fold in both)
    print(f"job {job}: {state}; trials missing: {len(run.read().missing())}")
    print(f"passes through the queue: {restarts + 1}; folds taken over by the later passes: {taken}")
    print(f"{len(lines(run))} folds in the log, {len(found)} different ones: none was trained twice")
    print(f"{len(both)} of them also in the search on two nodes, {same} of these identical")
    for line in re.findall(r"^.*(?:time limit|stopped \(SIG|trials in).*$", said, re.MULTILINE):
        print(f"  {line}")
    good = "COMPLETED" in state and restarts >= 1 and len(taken) == restarts and min(taken, default=0) > 0
    return verdict(good and len(lines(run)) == len(found) and both and same == len(both), jobs, job)


def long_enough(run: RunDirectory) -> int:
    """Trials that take `LONG` one fold after another, as long as folds took in another search."""
    took = [fold.seconds for trial in run.read().trials.values() for fold in trial.folds.values()]
    return math.ceil(LONG / ((sum(took) / len(took) + BETWEEN) * len(run.plan)))


def lines(run: RunDirectory) -> list[dict[str, object]]:
    import json

    return [json.loads(line) for line in (run.path / "folds.jsonl").read_bytes().splitlines()]


def nothing_left(jobs: Path) -> bool:
    print("\n3. what is left of the jobs", flush=True)
    running = [line for _, line in processes().values() if "raylet" in line and "/tmp/ms-" in line]
    folders = [str(path) for path in (*Path("/tmp").glob("ms-[0-9]*"), *jobs.glob(".mersearch-*"))]
    tokens = [path.name for path in jobs.rglob("token") if path.is_file()]
    print(f"processes: {len(running)}, temporary folders: {len(folders)}, tokens: {len(tokens)}")
    return not (running or folders or tokens)


def submit(jobs: Path, file: str, options: Sequence[str], name: str, *arguments: str) -> str:
    """Submit a shipped file as it is, with options of the command line; the number of the job."""
    search = (*SEARCH, f"run.name={name}", *arguments)
    command = ("sbatch", "--parsable", *options, str(ROOT / "cluster" / file), *search)
    print("$ " + " ".join(command).replace(f"{ROOT}/", ""), flush=True)
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=jobs, env=surroundings, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def wait(job: str) -> str:
    """Wait for the end of a job that may go back into the queue; its state as Slurm tells it."""

    def state() -> str:
        shown = shell("scontrol", "show", "job", job)
        return " ".join(re.findall(r"(?:JobState|Restarts|ExitCode)=\S+", shown))

    until(lambda: re.search(f"JobState=({OVER})", state()), PATIENCE, f"job {job} ends")
    return state()


def again(job: str) -> bool:
    """Whether a job has gone back into the queue, or has ended without that."""
    return bool(re.search(f"JobState=({OVER})|Restarts=[1-9]", shell("scontrol", "show", "job", job)))


def verdict(good: object, jobs: Path, job: str) -> bool:
    print("as it must be" if good else "NOT as it must be:", flush=True)
    if not good:
        print((jobs / f"mersearch-{job}.log").read_text()[-6000:])
    return bool(good)


def until(reached: object, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(1)


def shell(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())

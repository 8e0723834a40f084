"""Typical mistakes in cluster files, numbered; each is found, alone, in its line."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from ray.autoscaler._private.providers import _NODE_PROVIDERS
from ray.scripts.scripts import start
from typer.core import TyperGroup
from typer.main import get_command

from mersearch.cli import app
from mersearch.cluster import sbatch
from mersearch.cluster.checking import examine
from mersearch.cluster.document import Finding
from mersearch.cluster.kinds import FILES, shipped
from mersearch.cluster.known import known


class Mistake(NamedTuple):
    """What is written instead of what, and what is said to it.

    Attributes:
        good, bad: a part of the shipped file, the first one of its kind, and what stands there instead.
        at: a part of the line that the finding names, the first one from the mistake on; `bad` where empty.
    """

    kind: str
    good: str
    bad: str
    said: str
    at: str = ""


SPOT_ALONE = ("    max_workers: 4  #= max_workers\n    priority: 0", "    max_workers: 0\n    priority: 0")
MISTAKES = {
    "1 a misspelt key, ray up": Mistake(
        "aws", "idle_timeout_minutes", "idle_timeout_minute", "the file has no key"
    ),
    "2 a misspelt key of a node type": Mistake(
        "gcp", "    min_workers: 0\n", "    min_worker: 0\n", "has no key min_worker", "min_worker:"
    ),
    "3 a misspelt key of a machine": Mistake("aws", "InstanceType", "InstanceTyp", "a machine has no key"),
    "4 a misspelt key, Kubernetes": Mistake("rayjob", "maxReplicas", "maxReplica", "has no key maxReplica"),
    "5 a misspelt option, sbatch": Mistake(
        "slurm", "--ntasks-per-node=1", "--ntasks-pernode=1", "has no option"
    ),
    "6 a GPU limit without a request": Mistake(
        "raycluster",
        'requests: {cpu: "4", memory: "16Gi", nvidia.com/gpu: "1"}',
        'requests: {cpu: "4", memory: "16Gi"}',
        "cards have a request equal to their limit",
        'limits: {cpu: "4", memory: "16Gi", nvidia.com/gpu',
    ),
    "7 an image without the package": Mistake(
        "rayjob", "CHANGE-ME/mersearch:0.1.0", "rayproject/ray:2.60.0", "must have this package"
    ),
    "8 an image that changes": Mistake(
        "aws", "mersearch:0.1.0", "mersearch:latest", "must have a fixed version"
    ),
    "9 max below min, ray up": Mistake(
        "aws",
        "    max_workers: 4  #= max_workers\n    priority: 0",
        "    max_workers: 0\n    min_workers: 1\n    priority: 0",
        "is not below min_workers",
        "max_workers: 0",
    ),
    "10 max below min, Kubernetes": Mistake(
        "raycluster", "minReplicas: 0", "minReplicas: 5", "maxReplicas is not below", "maxReplicas: 3"
    ),
    "11 a grace period as long as the drain time": Mistake(
        "rayjob",
        "terminationGracePeriodSeconds: 120",
        "terminationGracePeriodSeconds: 90",
        "longer than the drain",
    ),
    "12 no token, ray up": Mistake(
        "gcp",
        "    - --env=RAY_AUTH_MODE=token\n",
        "",
        "started with a token",
        "ulimit -n 65536; ray start --head",
    ),
    "13 no token, Kubernetes": Mistake("raycluster", "mode: token", "mode: disabled", "started with a token"),
    "14 no token, Slurm": Mistake(
        "slurm-nodes",
        "RAY_AUTH_MODE=token ",
        "",
        "started with a token",
        "srun --overlap --nodes=1 --ntasks=1 --cpus",
    ),
    "15 a token that is not copied": Mistake(
        "aws", "/home/mersearch/token: ~", "/root/token: ~", "copied to every node", "file_mounts"
    ),
    "16 a token in the file": Mistake(
        "aws", "RAY_AUTH_TOKEN_PATH=/home/mersearch/token", "RAY_AUTH_TOKEN=secret", "no secret"
    ),
    "17 spot without a fall-back, ray up": Mistake("aws", *SPOT_ALONE, "have a fall-back", "gpu_spot"),
    "18 spot without a fall-back, Kubernetes": Mistake(
        "rayjob", "maxReplicas: 4", "maxReplicas: 0", "have a fall-back", "groupName: gpu-spot"
    ),
    "19 a head on a spot machine": Mistake(
        "aws",
        '  head:\n    resources: {"CPU": 0}\n    node_config:\n',
        '  head:\n    resources: {"CPU": 0}\n    node_config:\n      InstanceMarketOptions: {MarketType: spot}\n',
        "the head is no spot machine",
        "  head:",
    ),
    "20 an unknown node type as head": Mistake(
        "gcp", "head_node_type: head", "head_node_type: haed", "names a node type"
    ),
    "21 usage statistics left on, ray up": Mistake(
        "aws",
        "    - --env=RAY_USAGE_STATS_ENABLED=0\n",
        "",
        "usage statistics are off",
        "ulimit -n 65536; ray start --head",
    ),
    "22 usage statistics left on, Kubernetes": Mistake(
        "rayjob",
        '  env:\n        - {name: RAY_USAGE_STATS_ENABLED, value: "0"}',
        '  env:\n        - {name: RAY_USAGE_STATS_ENABLED, value: "1"}',
        "usage statistics are off",
        "env:",
    ),
    "23 the dashboard for everybody": Mistake(
        "aws", "--include-dashboard=false", "--dashboard-host=0.0.0.0", "stays on loopback"
    ),
    "24 a port for the world, AWS": Mistake(
        "aws",
        "  cache_stopped_nodes: false\n",
        "  cache_stopped_nodes: false\n  security_group:\n    IpPermissions:\n"
        "      - {FromPort: 8265, ToPort: 8265, IpProtocol: tcp, IpRanges: [{CidrIp: 0.0.0.0/0}]}\n",
        "open to the world",
        "FromPort",
    ),
    "25 a port for the world, Kubernetes": Mistake(
        "raycluster", "serviceType: ClusterIP", "serviceType: LoadBalancer", "stay inside"
    ),
    "26 ray stop": Mistake(
        "slurm-nodes",
        '  rm -rf "$job"\n}',
        '  rm -rf "$job"; ray stop\n}',
        "ray stop has no place",
        "ray stop",
    ),
    "27 a job that does not queue again": Mistake(
        "slurm", "#SBATCH --requeue\n", "", "queues again", "--signal"
    ),
    "28 a job that does not hear": Mistake(
        "slurm", "#SBATCH --signal=B:USR1@180\n", "", "hears before its time", "--requeue"
    ),
    "29 a signal that the script does not get": Mistake(
        "slurm", "B:USR1@180", "USR1@180", "goes to the script"
    ),
    "30 a signal that the script does not know": Mistake(
        "slurm", "B:USR1@180", "B:USR2@180", "a trap for USR2"
    ),
    "31 a signal that comes too late": Mistake("slurm-nodes", "@180", "@60", "counts by the minute"),
    "32 a log that is written over": Mistake("slurm", "append", "truncate", "appends to its log"),
    "33 an option below a command": Mistake(
        "slurm",
        "set -uo pipefail\n",
        "set -uo pipefail\n#SBATCH --partition=gpu\n",
        "ignores #SBATCH",
        "--partition",
    ),
    "34 one port for all jobs": Mistake(
        "slurm-nodes", '--port="$port"', "--port=6379", "port of its own", 'start "$first" --head'
    ),
    "35 no retry": Mistake("rayjob", "backoffLimit: 4", "backoffLimit: 0", "tried again"),
    "36 a cluster that stays": Mistake(
        "rayjob", "shutdownAfterJobFinishes: true", "shutdownAfterJobFinishes: false", "ends with the search"
    ),
    "37 the old autoscaler": Mistake("raycluster", "version: v2", "version: v1", "of version 2"),
    "38 another Ray": Mistake(
        "rayjob", 'rayVersion: "2.60.0"', 'rayVersion: "2.52.0"', "that of the package"
    ),
    "39 a card too many": Mistake("gcp", '{"CPU": 4, "GPU": 1}', '{"CPU": 4, "GPU": 2}', "has 1 card"),
    "40 a limit below the request": Mistake(
        "rayjob", 'limits: {cpu: "4"', 'limits: {cpu: "2"', "not below its request"
    ),
    "41 a key that stands twice": Mistake(
        "aws",
        "idle_timeout_minutes: 3\n",
        "idle_timeout_minutes: 3\nmax_workers: 40\n",
        "stands once",
        "max_workers: 40",
    ),
    "42 no bound": Mistake(
        "gcp", "max_workers: 4  #= max_workers\nupscaling", "upscaling", "bounds all workers", "# Made by"
    ),
    "43 an image without a fixed base": Mistake(
        "docker", "python:3.11-slim-bookworm", "python", "has a fixed version"
    ),
    "44 an image as root": Mistake("docker", "USER mersearch\n", "", "without rights", "FROM"),
    "45 other versions in the image": Mistake(
        "apptainer", " -c /wheelhouse/constraints.txt", "", "constraints.txt", "pip install"
    ),
    "46 spot that does not come first": Mistake(
        "rayjob", "priority: 10", "priority: 0", "come before those on demand"
    ),
    "47 a time that is none": Mistake("slurm", "24:00:00", "24:99:00", "is a time of Slurm"),
    "48 a job that is stopped as it starts": Mistake(
        "slurm", "--time=24:00:00", "--time=00:03:00", "longer than the signal's lead"
    ),
    "49 nodes in words": Mistake("slurm-nodes", "--nodes=4", "--nodes=four", "--nodes is a number"),
    "50 memory of no unit": Mistake("slurm", "--mem=16G", "--mem=16X", "--mem is a whole number"),
    "51 no cores": Mistake("slurm", "--cpus-per-task=4", "--cpus-per-task=0", "of 1 or more"),
    "52 less than no cards": Mistake("slurm", "--gpus-per-node=1", "--gpus-per-node=-1", "TYPE:NUMBER"),
    "53 a search beside the Ray of its job": Mistake(
        "slurm-nodes", ' --address "$address:$port" &', " &", "joins the Ray of the job", 'launch "$space"'
    ),
    "54 a misspelt command, Slurm": Mistake(
        "slurm", "mersearch launch", "mersearch lanch", "no command lanch"
    ),
    "55 a misspelt command, Kubernetes": Mistake(
        "rayjob", "mersearch launch", "mersearch lanch", "no command lanch"
    ),
    "56 a misspelt key of a search": Mistake(
        "rayjob", "cluster.worker_gpus=1", "cluster.worker_gpu=1", "unknown key cluster.worker_gpu"
    ),
    "57 a misspelt section of a search": Mistake(
        "rayjob", "search.concurrency=4", "serch.concurrency=4", "unknown key serch"
    ),
    "58 a value that a key does not take": Mistake(
        "rayjob", "search.concurrency=4", "search.concurrency=four", "search.concurrency must be"
    ),
    "59 a run that is lost with its pod": Mistake(
        "rayjob", "run.root=/mnt/shared/runs", "run.root=/mnt/share/runs", "outlives the pod"
    ),
    "60 a run in memory": Mistake(
        "rayjob", "run.root=/mnt/shared/runs", "run.root=/dev/shm/runs", "outlives"
    ),
    "61 a volume that there is not": Mistake(
        "raycluster", "{name: shared, mountPath", "{name: share, mountPath", "has the volume"
    ),
    "62 a mount at no path": Mistake(
        "rayjob", "mountPath: /mnt/shared", "mountPath: mnt/shared", "a path from the root"
    ),
    "63 more replicas than there may be": Mistake(
        "raycluster", "replicas: 0", "replicas: 99", "not above maxReplicas"
    ),
    "64 two groups of one name": Mistake(
        "rayjob",
        "groupName: gpu-on-demand",
        "groupName: gpu-spot",
        "a name of its own",
        "groupName: gpu-spot",
    ),
    "65 a quantity that is none": Mistake("rayjob", 'memory: "16Gi"', 'memory: "16GB"', "must be a quantity"),
    "66 an option of Ray that there is not": Mistake(
        "rayjob", "num-cpus:", "num-cpu:", "no option --num-cpu"
    ),
    "67 a port that there is not": Mistake("rayjob", "port: 8265}", "port: 82650}", "at most 65535"),
    "68 a pod that no policy selects": Mistake(
        "raycluster",
        '        labels:\n          mersearch/cluster: "mersearch"',
        '        labels:\n          mersearch/cluster: "ours"',
        "selects the pod",
        "labels:",
    ),
    "69 a head that starts no workers": Mistake(
        "aws",
        " --autoscaling-config=~/ray_bootstrap_config.yaml",
        "",
        "how to start workers",
        "--head --port",
    ),
    "70 no workers": Mistake(
        "gcp", "\nmax_workers: 4", "\nmax_workers: 0", "there are workers", "max_workers: 0"
    ),
    "71 a core too many": Mistake("gcp", '{"CPU": 4, "GPU": 1}', '{"CPU": 8, "GPU": 1}', "has 4 cores"),
    "72 a misspelt provider": Mistake("aws", "type: aws", "type: awss", "knows the provider"),
    "73 a misspelt market": Mistake("aws", "MarketType: spot", "MarketType: spots", "knows the market"),
    "74 workers at another port": Mistake(
        "aws", "$RAY_HEAD_IP:6379", "$RAY_HEAD_IP:6380", "join the head at its port"
    ),
    "75 a misspelt command, ray up": Mistake(
        "aws",
        "\nsetup_commands: []",
        "\nsetup_commands:\n  - mersearch docter",
        "no command docter",
        "docter",
    ),
    "76 a misspelt command below another one, ray up": Mistake(
        "aws",
        "\nsetup_commands: []",
        "\nsetup_commands:\n  - |\n    set -e\n    mersearch docter",
        "no command docter",
        "  - |",
    ),
    "77 a misspelt command below another one, Kubernetes": Mistake(
        "rayjob", '"mersearch launch', r'"set -e\n  mersearch lanch', "no command lanch"
    ),
    "78 a misspelt key below another command": Mistake(
        "rayjob", '"mersearch launch', r'"set -e\nmersearch launch serch.trials=1', "unknown key serch"
    ),
    "79 an if without its fi": Mistake(
        "slurm", '  exit 0\nfi\nexit "$code"', '  exit 0\nexit "$code"', "bash can read", 'exit "$code"'
    ),
    "80 a region that is none": Mistake("aws", 'region: "us-west-2"', "region: mars", "region of AWS"),
    "81 a zone elsewhere": Mistake("gcp", '"us-central1-a"', '"us-east1-b"', "lies in region"),
    "82 a misspelt option of a search": Mistake(
        "rayjob", "--address auto", "--adress auto", "launch has no option --adress"
    ),
    "83 a misspelt option of a search, Slurm": Mistake(
        "slurm-nodes",
        '--address "$address',
        '--adress="$address',
        "has no option --adress",
        'launch "$space"',
    ),
    "84 a misspelt option in a command to copy": Mistake(
        "aws", "--address auto", "--adress auto", "launch has no option --adress"
    ),
    "85 a misspelt key in a command to copy": Mistake(
        "gcp", "cluster.max_workers=4", "cluster.max_worker=4", "unknown key cluster.max_worker"
    ),
    "86 a value that a key does not take in a command to copy": Mistake(
        "raycluster", "search.concurrency=4", "search.concurrency=four", "search.concurrency must be"
    ),
    "87 a misspelt command to copy": Mistake(
        "raycluster", "mersearch launch", "mersearch lanch", "no command lanch"
    ),
    "88 a misspelt command to copy, behind another one": Mistake(
        "aws", "'mersearch status", "'mersearch statu", "no command statu"
    ),
    "89 a misspelt key further down in a command to copy": Mistake(
        "apptainer",
        "mersearch launch quintuplet",
        "mersearch launch quintuplet \\\n#    serch.trials=9",
        "unknown key serch",
        "mersearch launch",
    ),
    "90 a misspelt key of a search that is handed on": Mistake(
        "slurm-nodes", "set -- quintuplet", "set -- quintuplet search.trial=9", "unknown key search.trial"
    ),
}
RIGHT = (
    ("slurm-nodes", "--nodes=4", "--nodes=2-8"),
    ("slurm", "--gpus-per-node=1", "--gpus-per-node=a100:1"),
    ("slurm", "--gpus-per-node=1", "--gpus=0"),
    ("slurm", "--mem=16G", "--mem=0"),
    ("slurm", "--mem=16G", "--mem-per-cpu=4000"),
    ("slurm-nodes", "mersearch launch", "echo mersearch lanch; mersearch launch"),
    ("slurm-nodes", "mersearch launch", "mersearch --version; mersearch launch"),
    (
        "slurm-nodes",
        'mersearch launch "$space" search.concurrency="$slots" "$@" --address "$address:$port" &',
        'export RAY_ADDRESS="$address:$port"\nmersearch launch "$space" "$@" &',
    ),
    ("rayjob", " --address auto", ""),
    ("rayjob", "search.concurrency=4", "search.concurrency=`slots`"),
    ("rayjob", "preprocess.cache=/mnt/shared/cache ", ""),
    (
        "rayjob",
        "quintuplet ",
        "ours/spaces/mine.yaml algorithm.margin=2 +data.roots.casme2=/x run.name=$NAME ",
    ),
    ("rayjob", "search.concurrency=4", "search.concurrency=auto ~search.sampler data=manifest"),
    ("rayjob", "run.root=/mnt/shared/runs", "run.root=/tmp/runs run.mirror=s3://ours/runs"),
    ("rayjob", "{name: shm, mountPath: /dev/shm}", "{name: ray-logs, mountPath: /tmp/ray}"),
    ("rayjob", 'memory: "16Gi"}', "memory: 16e9}"),
    (
        "rayjob",
        "podSelector:\n    matchLabels:\n      mersearch/cluster",
        "podSelector:\n    matchLabels:\n      ray.io/x",
    ),
    ("rayjob", "protocol: TCP, port: 8265", "protocol: TCP, port: dashboard"),
    ("aws", " --port=6379", ""),
    (
        "aws",
        "# 4. how",
        "# mersearch launch: give search.trials=9, or more. mersearch starts --with what x.y=1 says\n# 4. how",
    ),
    (
        "aws",
        "# 4. how",
        "# mersearch launch ends before --time of Slurm is over, with --requeue\n# 4. how",
    ),
    (
        "aws",
        "# 4. how",
        "# a mersearch launch of search.trials=N, run.name=… (mersearch resumes): --dry-run.\n# 4. how",
    ),
    ("slurm", "mersearch launch", "mersearch launch --dry-run --address=auto"),
    ("rayjob", '"mersearch launch', r'"mersearch\npython --version\nmersearch launch'),
    ("aws", '    resources: {"CPU": 4, "GPU": 1}', '    resources: {"CPU": 3, "GPU": 1}'),
)
"""Kind, a part of the shipped file, and what may as well stand there."""


def faults(kind: str, text: str) -> list[Finding]:
    return [finding for finding in examine(text, FILES[kind])[1] if not finding.note]


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_typical_mistake_is_found_in_its_line(mistake: Mistake) -> None:
    text = shipped(mistake.kind)
    assert mistake.good in text
    bad = text.replace(mistake.good, mistake.bad, 1)
    found = [finding for finding in faults(mistake.kind, bad) if mistake.said in finding.rule]
    assert found, faults(mistake.kind, bad)
    assert found[0].fix
    if mistake.at != "# Made by":
        assert (mistake.at or mistake.bad) in bad.splitlines()[found[0].line - 1]


@pytest.mark.parametrize("option", ["-N 2", "-N2", "--nodes 2", "--nodes=2"])
def test_an_option_of_sbatch_may_stand_before_its_value(option: str) -> None:
    text = shipped("slurm-nodes").replace("--nodes=4", option)
    assert option in text
    assert [finding for finding in sbatch.findings(text) if not finding.note] == []


@pytest.mark.parametrize("time", ["3", "3:00", "0:03:00", "0-00:03", "0-0:02:59"])
@pytest.mark.parametrize("longer", [False, True])
def test_a_time_is_compared_with_the_signal_however_it_is_written(time: str, longer: bool) -> None:
    seconds = 179 if longer else 180
    text = shipped("slurm").replace("24:00:00", time).replace("@180", f"@{seconds}")
    found = [finding.rule for finding in faults("slurm", text) if "signal's lead" in finding.rule]
    exceeded = (179 if time.endswith("59") else 180) > seconds
    assert bool(found) is not exceeded


@pytest.mark.parametrize(("kind", "good", "as_good"), RIGHT)
def test_what_may_stand_there_is_no_fault(kind: str, good: str, as_good: str) -> None:
    text = shipped(kind)
    assert good in text
    assert faults(kind, text.replace(good, as_good, 1)) == []


def test_known_words_are_those_of_the_installed_programs() -> None:
    options = {option for one in start.params for option in (*one.opts, *one.secondary_opts)}
    assert {f"--{word}" for word in known("ray_start")} == {one for one in options if len(one) > 2}
    assert known("providers") == set(_NODE_PROVIDERS)
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    assert known("mersearch") == set(commands.commands)
    launch = {option for one in commands.commands["launch"].params for option in one.opts}
    assert {f"--{word}" for word in known("launch")} == {
        *(one for one in launch if one.startswith("-")),
        "--help",
    }

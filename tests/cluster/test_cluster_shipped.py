"""Every shipped file is whole, says what it is for, and passes its check; what is rendered does too."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from mersearch.cluster import searches
from mersearch.cluster.checking import examine
from mersearch.cluster.cost import ATTEMPTS
from mersearch.cluster.kinds import FILES, shipped
from mersearch.cluster.questions import CLOUDS, KUBERNETES, SLURM, of_kind
from mersearch.cluster.ray_schema import ray_schema
from mersearch.cluster.rendering import render

MARK = re.compile(r"  #==? \w+$", re.MULTILINE)
CHOICES = (
    {},
    {"gpus": "0"},
    {"gpus": "4", "max-workers": "12", "hours": "7.5"},
    {
        "gpus": "8",
        "max-workers": "1",
        "min-workers": "1",
        "name": "ours",
        "search": "disentangle search.trials=9",
    },
)


def rendered() -> list[tuple[str, dict[str, str]]]:
    cases = itertools.product(FILES, CHOICES)
    return [(kind, {n: a for n, a in choice.items() if n in of_kind(kind)}) for kind, choice in cases]


@pytest.mark.parametrize("kind", FILES)
def test_a_shipped_file_is_headed_by_purpose_command_and_cost(kind: str) -> None:
    head = [line for line in shipped(kind).splitlines()[:12] if line.startswith("# ")]
    assert [line.split()[1] for line in head[:2]] == ["Purpose:", "Command:"]
    assert any(line.startswith("# Cost:") for line in head)


@pytest.mark.parametrize("kind", FILES)
def test_a_shipped_file_has_no_fault(kind: str) -> None:
    assert [finding for finding in examine(shipped(kind), kind)[1] if not finding.note] == []


@pytest.mark.parametrize("kind", FILES)
def test_the_defaults_rendered_are_the_shipped_file(kind: str) -> None:
    made = f"# Made by: mersearch cluster render {kind}\n"
    assert render(kind, {}).replace(made, "", 1) == MARK.sub("", shipped(kind))


@pytest.mark.parametrize(("kind", "choice"), rendered(), ids=str)
def test_what_is_rendered_has_no_fault_and_no_mark(
    kind: str, choice: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "require_search", list)  # the same search a dozen times
    text = render(kind, choice)
    assert text == render(kind, dict(reversed(choice.items())))
    assert not MARK.search(text)
    assert [finding for finding in examine(text, kind)[1] if not finding.note] == []


@pytest.mark.parametrize("kind", [kind for kind, file in FILES.items() if file.endswith(".sh")])
def test_a_script_is_one_for_bash(kind: str) -> None:
    subprocess.run(["bash", "-n"], input=shipped(kind), text=True, check=True)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_itself_takes_the_file_of_a_cloud(cloud: str) -> None:
    config = prepare_config(yaml.safe_load(render(cloud, {"max-workers": "6", "spot": "2"})))
    validate_config(config)
    assert {name: node["max_workers"] for name, node in config["available_node_types"].items()} == {
        "head": 0,
        "gpu_spot": 2,
        "gpu_on_demand": 6,
    }
    commands = [command for key, value in config.items() if key.endswith("commands") for command in value]
    assert not any("ray stop" in command or "pip install" in command for command in commands)


def test_the_schema_is_that_of_the_installed_ray() -> None:
    schema = ray_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["title"] == "Ray AutoScaler"


@pytest.mark.parametrize("kind", KUBERNETES)
def test_the_autoscaler_reads_the_bounds_of_a_kubernetes_file(kind: str) -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    first = next(yaml.safe_load_all(render(kind, {"max-workers": "6", "spot": "2", "gpus": "2"})))
    spec = first["spec"].get("rayClusterSpec", first["spec"])
    config = _derive_autoscaling_config_from_ray_cr(
        {"metadata": {"name": "ours", "namespace": "ours"}, "spec": spec}
    )
    types = config["available_node_types"]
    assert {name: (node["max_workers"], node["resources"].get("GPU", 0)) for name, node in types.items()} == {
        "headgroup": (0, 0),
        "gpu-spot": (2, 2),
        "gpu-on-demand": (6, 2),
    }
    assert types["gpu-spot"]["priority"] > types["gpu-on-demand"]["priority"]
    assert config["idle_timeout_minutes"] == 3


def test_the_stated_attempts_of_a_rayjob_are_its_retries_and_the_first() -> None:
    assert f"backoffLimit: {ATTEMPTS - 1}\n" in shipped("rayjob")


@pytest.mark.parametrize("kind", KUBERNETES)
def test_a_kubernetes_file_names_the_pinned_ray(kind: str) -> None:
    pins = (Path(__file__).parents[2] / "constraints.txt").read_text()
    assert f'rayVersion: "{ray.__version__}"' in shipped(kind)
    assert f"ray=={ray.__version__}\n" in pins


@pytest.mark.parametrize("kind", SLURM)
def test_a_job_names_no_other_way_to_end_ray_than_its_own_processes(kind: str) -> None:
    code = [line for line in shipped(kind).splitlines() if not line.startswith("#")]
    assert not any(word in line for line in code for word in ("ray stop", "pkill", "killall"))

from __future__ import annotations

import subprocess

import pytest
import yaml

from mersearch.cluster.cost import planned
from mersearch.cluster.questions import QUESTIONS, answers, of_kind
from mersearch.cluster.rendering import render
from mersearch.durations import seconds
from mersearch.errors import ConfigError, Several


def cost(kind: str, **given: str) -> str:
    return planned(kind, answers(kind, {name.replace("_", "-"): answer for name, answer in given.items()}))


def test_the_planned_maximum_is_workers_times_cards_times_hours() -> None:
    assert cost("aws", gpus="4", max_workers="3", hours="10").endswith(
        f"1 head and 3 workers with {3 * 4} GPUs at a time; {3 * 4 * 10} GPU-hours in 10 hours"
    )
    assert cost("gcp", gpus="1", max_workers="1").endswith(
        "1 worker with 1 GPU at a time; nothing limits the hours"
    )
    assert cost("rayjob", gpus="0", max_workers="3", hours="2").endswith(
        f"{3 * 2} node-hours in 2 hours, in each of at most 5 attempts"
    )
    assert cost("slurm", gpus="2", hours="5").endswith(f"{2 * 5} GPU-hours per pass through the queue")


def test_a_rendered_file_says_how_it_was_made() -> None:
    text = render("aws", {"max-workers": "2", "search": "quintuplet search.trials=9", "gpus": "4"})
    assert text.splitlines()[0] == (
        "# Made by: mersearch cluster render aws --gpus 4 --max-workers 2 --search 'quintuplet search.trials=9'"
    )
    assert render("slurm", {}).splitlines()[:2] == [
        "#!/usr/bin/env bash",
        "# Made by: mersearch cluster render slurm",
    ]


def test_a_time_limit_ends_the_search_before_the_cluster() -> None:
    job = next(yaml.safe_load_all(render("rayjob", {"hours": "2"})))
    budget = next(word for word in job["spec"]["entrypoint"].split() if "time_budget" in word)
    assert job["spec"]["activeDeadlineSeconds"] == 2 * 3600
    assert 3600 < seconds("search.time_budget", budget.partition("=")[2]) < 2 * 3600
    assert "#SBATCH --time=01:30:00\n" in render("slurm", {"hours": "1.5"})


def test_a_search_asks_for_all_slots_at_once() -> None:
    launch = next(yaml.safe_load_all(render("rayjob", {"gpus": "2", "max-workers": "3"})))["spec"][
        "entrypoint"
    ]
    assert f"search.concurrency={2 * 3}" in launch
    assert "trial.gpus=1" in launch
    without = render("aws", {"gpus": "0", "max-workers": "3"})
    assert f"trial.gpus=0 search.concurrency={3 * 4}" in without


@pytest.mark.parametrize("kind", ["aws", "gcp", "rayjob", "raycluster"])
def test_a_key_that_the_user_gives_stands_last_and_once(kind: str) -> None:
    own = "run.root=/mnt/shared/team trial.gpus=0.25 search.concurrency=16 +search.time_budget=9h"
    text = render(kind, {"search": f"quintuplet {own}", "hours": "2"})
    (launch,) = [line for line in text.splitlines() if "mersearch launch" in line and "# Made" not in line]
    assert (
        "mersearch launch quintuplet --address auto preprocess.cache=/mnt/shared/cache cluster.max" in launch
    )
    assert launch.rstrip("\"'").endswith(f"cluster.worker_gpus=1 {own}")
    for word in own.split():
        assert launch.count(word.lstrip("+").partition("=")[0] + "=") == 1


def test_slots_are_counted_by_the_search_where_the_user_says_what_a_trial_needs() -> None:
    assert "search.concurrency" not in render("rayjob", {"search": "quintuplet trial.gpus=0.25"})


@pytest.mark.parametrize("kind", ["slurm", "slurm-nodes"])
def test_empty_hours_are_the_default(kind: str) -> None:
    assert render(kind, {"hours": ""}).splitlines()[2:] == render(kind, {}).splitlines()[2:]


@pytest.mark.parametrize(
    ("cards", "cores", "slots"),
    [({}, "4", 3 * 4), ({"SLURM_GPUS_ON_NODE": "0"}, "4", 3 * 4), ({"SLURM_GPUS_ON_NODE": "2"}, "4", 3 * 2)],
    ids=["unset", "none", "two"],
)
def test_nodes_without_cards_have_a_slot_for_each_core(cards: dict[str, str], cores: str, slots: int) -> None:
    lines = render("slurm-nodes", {}).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("each="))
    script = "\n".join(["set -u", *lines[first : first + 3], 'echo "$slots"'])
    assert "slots=" in lines[first + 2]
    given = {"SLURM_JOB_NUM_NODES": "3", "SLURM_CPUS_PER_TASK": cores, **cards}
    done = subprocess.run(["bash", "-c", script], env=given, capture_output=True, text=True, check=True)
    assert int(done.stdout) == slots


def test_some_workers_are_on_demand_unless_asked_otherwise() -> None:
    types = yaml.safe_load(render("aws", {"max-workers": "5", "min-workers": "2"}))["available_node_types"]
    assert types["gpu_spot"]["max_workers"] == 5 - 2
    assert types["gpu_on_demand"]["min_workers"] == 2
    alone = yaml.safe_load(render("aws", {"max-workers": "1"}))["available_node_types"]
    assert alone["gpu_spot"]["max_workers"] == 0


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_example_of_a_question_keeps_its_rule(name: str) -> None:
    question = QUESTIONS[name]
    for kind in question.defaults:
        if name != "machine" or kind == "aws":
            given = {name: question.form(kind).example}
            assert answers(kind, given)[name] == given[name]
        assert name in of_kind(kind)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("awss", {}, "no kind of cluster awss\n.*\n.*did you mean aws"),
        ("aws", {"gpus": "two"}, "--gpus must be a whole number"),
        ("aws", {"gpus": "3"}, "no machine type of aws has these cards\n.*\n.*--gpus 0 or 1 or 4 or 8"),
        ("gcp", {"gpus": "4", "machine": "g2-standard-4"}, "has 1 card"),
        ("gcp", {"machine": "g5.xlarge"}, "not in the table of machines"),
        ("slurm", {"max-workers": "3"}, "slurm has no --max-workers"),
        ("local", {"gpus": "1"}, "local has no --gpus"),
        ("aws", {"min-workers": "5"}, "--min-workers must not exceed --max-workers"),
        ("aws", {"spot": "5"}, "--spot and --min-workers must fit"),
        ("slurm", {"hours": "5000000"}, "--hours must be a number of hours above 0 and below 100000"),
        ("slurm", {"hours": "0.02"}, "--hours must be 0.1 or more: the signal"),
        ("slurm-nodes", {"hours": "0.05"}, "--hours must be 0.1 or more: the signal"),
        ("rayjob", {"hours": "0"}, "--hours must be a number of hours above 0"),
        ("rayjob", {"name": "My Job"}, "--name must be up to 40 small letters"),
        ("aws", {"search": "a'; rm -rf /"}, "--search must be words of letters"),
        ("aws", {"storage": "host:/$(id)"}, "--storage must be HOST:/PATH of an NFS server"),
        ("slurm", {"search": "quintuplet search.trials=abc"}, "search.trials must be a whole number"),
        ("slurm", {"search": "quintuplt"}, "quintuplt"),
        ("slurm", {"search": "quintuplet --adress x"}, "launch has no option --adress"),
        ("slurm-nodes", {"search": "quintuplet algorithm.batches=2"}, "unknown key algorithm.batches"),
        ("aws", {"search": "quintuplet data=casme3"}, "there is no such data"),
        ("aws", {"search": "quintuplet_casme2 macro.root=/x"}, "data.root is required"),
        ("rayjob", {"search": "mine/space.yaml search.trials=abc"}, "search.trials must be a whole number"),
        ("gcp", {"search": "quintuplet algorithm.name=ours:Own search.trial=1"}, "unknown key search.trial"),
        ("aws", {"storage": "foo"}, "--storage must be HOST:/PATH of an NFS server"),
        ("gcp", {"storage": "s3://ours/runs"}, "--storage must be HOST:/PATH of an NFS server"),
        ("rayjob", {"storage": "host:/path"}, "--storage must be the name of a claim"),
        ("aws", {"region": "mars"}, "--region must be a region of AWS"),
        ("aws", {"region": "us-central1"}, "--region must be a region of AWS"),
        ("gcp", {"region": "us-west-2"}, "--region must be a region of Google Cloud"),
        ("gcp", {"zone": "us-central1"}, "--zone must be a zone of Google Cloud"),
        (
            "gcp",
            {"region": "us-east1"},
            "--zone must lie in --region\n.*us-central1-a\n.*--region us-central1, or",
        ),
        ("gcp", {"zone": "us-east1-b"}, "--zone must lie in --region\n.*us-east1-b\n.*--region us-east1, or"),
    ],
)
def test_a_bad_answer_is_named_with_a_fix(kind: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        render(kind, given)
    assert caught.value.fix


@pytest.mark.parametrize(
    "search",
    [
        "quintuplet_casme2 data.root=/mnt/nowhere macro.root=/mnt/nowhere",
        "disentangle --address=auto --dry-run trial.gpus=0.5",
        "/mnt/shared/spaces/mine.yaml search.trials=9 algorithm.own=2",
        "quintuplet algorithm.name=our_package.own:Own algorithm.own=2",
    ],
)
def test_what_only_the_cluster_may_have_is_not_refused(search: str) -> None:
    assert search in render("slurm", {"search": search})


@pytest.mark.parametrize(
    ("kind", "region"),
    [
        *(
            ("aws", region)
            for region in ("ap-southeast-2", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1")
        ),
        *(("gcp", region) for region in ("northamerica-northeast1", "europe-west12", "me-central2")),
    ],
)
def test_regions_of_every_shape_are_taken(kind: str, region: str) -> None:
    zones = {"zone": f"{region}-b"} if kind == "gcp" else {}
    assert yaml.safe_load(render(kind, {"region": region, **zones}))["provider"]["region"] == region


def test_all_bad_answers_are_named_together() -> None:
    with pytest.raises(Several, match=r"(?s)--gpus must.*--hours must"):
        render("aws", {"gpus": "x", "hours": "y"})


def test_a_search_begins_with_its_space() -> None:
    with pytest.raises(ConfigError, match=r"--search begins with the search space\n.*--address"):
        render("aws", {"search": "--address auto"})

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mersearch.cli import app
from mersearch.cluster.kinds import shipped
from mersearch.cluster.rendering import render
from mersearch.errors import ConfigError, Several, Stopped


def said(*arguments: str, typed: str = "") -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, ["cluster", *arguments], input=typed, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_render_prints_the_file_and_nothing_else() -> None:
    assert said("render", "slurm", "--gpus", "2") == render("slurm", {"gpus": "2"})


def test_render_writes_a_file_that_can_be_started_and_says_what_it_costs(tmp_path: Path) -> None:
    file = tmp_path / "search.sh"
    shown = said("render", "slurm", "--hours", "3", "-o", str(file))
    assert file.read_text() == render("slurm", {"hours": "3"})
    assert os.access(file, os.X_OK)
    assert f"{3 * 1} GPU-hours per pass" in shown


def test_ask_asks_what_was_not_given(tmp_path: Path) -> None:
    file = tmp_path / "search.sh"
    typed = "\n2\n" + 10 * "\n"
    shown = said("render", "slurm", "--hours", "3", "--ask", "-o", str(file), typed=typed)
    assert "Cards of each worker" in shown
    assert file.read_text() == render("slurm", {"gpus": "2", "hours": "3"})


def test_questions_that_nobody_answers_write_nothing(tmp_path: Path) -> None:
    file = tmp_path / "search.sh"
    with pytest.raises(Stopped, match="not every question was answered"):
        said("render", "slurm", "--ask", "-o", str(file), typed="")
    assert not file.exists()


def test_check_names_the_line_of_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "job.sh"
    text = shipped("slurm").replace("--requeue", "--requeu").replace("append", "truncate")
    file.write_text(text)
    lines = text.splitlines()
    first, second = (lines.index(f"#SBATCH --{header}") + 1 for header in ("requeu", "open-mode=truncate"))
    with pytest.raises(
        Several, match=rf"(?s)job.sh:{first}: sbatch has no option --requeu.*job.sh:{second}: a job"
    ):
        CliRunner().invoke(app, ["cluster", "check", str(file)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("kind", "filled"),
    [
        (
            "aws",
            {
                "image": "ours/mersearch:1",
                "storage": "fs.example.org:/",
                "machine-image": "ami-0123456789abcdef0",
            },
        ),
        (
            "gcp",
            {"image": "o/mersearch:1", "storage": "h:/a", "machine-image": "projects/p/i", "project": "ours"},
        ),
        ("rayjob", {"image": "ours/mersearch:1"}),
        ("raycluster", {"image": "ours/mersearch:1"}),
    ],
)
def test_a_file_with_places_to_fill_in_is_not_good_and_each_is_named_with_its_option(
    kind: str, filled: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    shown = said("render", kind, "-o", str(file))
    lines = [number for number, line in enumerate(file.read_text().splitlines(), 1) if "CHANGE-ME" in line]
    assert f"to be filled in first, CHANGE-ME: line {', '.join(map(str, lines))}\n" in shown
    with pytest.raises(Several) as caught:
        CliRunner().invoke(app, ["cluster", "check", str(file)], catch_exceptions=False)
    assert [error.rule for error in caught.value.errors] == [
        f"{file}:{line}: CHANGE-ME is still to be filled in" for line in lines
    ]
    assert {error.fix.rpartition(" with --")[2] for error in caught.value.errors} == set(filled)
    options = [word for name, answer in filled.items() for word in (f"--{name}", answer)]
    assert "CHANGE-ME" not in said("render", kind, *options, "-o", str(file))
    assert "good for" in said("check", str(file))


def test_a_place_to_fill_in_counts_where_it_is_read(tmp_path: Path) -> None:
    file, text = tmp_path / "job.sh", shipped("slurm")
    file.write_text(text + "# was CHANGE-ME\nexit 0 # CHANGE-ME\n")
    assert said("check", str(file)).count("CHANGE-ME is still") == 2
    file.write_text(text.replace("#SBATCH --requeue", "#SBATCH --requeue\n#SBATCH --partition=CHANGE-ME"))
    with pytest.raises(ConfigError, match=r"job.sh:\d+: CHANGE-ME .*\n.*--partition=.*\n.*the value there$"):
        CliRunner().invoke(app, ["cluster", "check", str(file)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a: [1\n", r"bad:2:1: this is not valid YAML"),
        ("a: 1\n", "none of the files that start Ray"),
        ("", "none of the files that start Ray"),
        ("apiVersion: v1\nkind: Pod\n", "this kind of object is not known here"),
        ("- 1\n", "none of the files that start Ray"),
        (
            "provider: 2020-99-01\ncluster_name: ours\n",
            "bad:1: this value cannot be read\n.*2020-99-01\n.*quotes",
        ),
        ("cluster_name: ours\nx: &a [*a]\n", "in one another, without end"),
        (f"cluster_name: ours\nx: {'[' * 2000}{']' * 2000}\n", "in one another, without end"),
        ("cluster_name: ours\non: 1\n", 'bad:2: keys are text\n.*on\n.*"on"'),
        ("kind: RayJob\nspec:\n  2020-99-01: 1\n", "bad:3: keys are text"),
    ],
)
def test_a_file_of_no_known_kind_is_said_to_be_one(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "bad"
    file.write_text(text)
    with pytest.raises(ConfigError, match=match):
        CliRunner().invoke(app, ["cluster", "check", str(file)], catch_exceptions=False)


def test_a_file_that_is_not_there_is_no_bug(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        CliRunner().invoke(app, ["cluster", "check", str(tmp_path / "no")], catch_exceptions=False)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("aws", "head_node_type: head", "head_node_type: [head]"),
        ("aws", "max_workers: 3", "max_workers: three"),
        ("gcp", "file_mounts:", "file_mounts: 7\nrsync_filter:"),
        ("gcp", "run_options:", "run_options: 7\n  worker_run_options:"),
        ("rayjob", "priority: 10", "priority: high"),
        ("rayjob", "priority: 0", "priority: high"),
        ("rayjob", "containers:", "containers: 7\n      initContainers:"),
        ("raycluster", "workerGroupSpecs:", "workerGroupSpecs: none\n  x:"),
        ("slurm", "#SBATCH --nodes=1", "#SBATCH --nodes='1"),
        ("docker", "FROM python:3.11-slim-bookworm", "FROM "),
    ],
)
def test_a_value_of_another_kind_is_a_fault_and_no_bug(
    kind: str, good: str, bad: str, tmp_path: Path
) -> None:
    text = shipped(kind)
    assert good in text
    file = tmp_path / "file"
    file.write_text(text.replace(good, bad, 1))
    with pytest.raises((ConfigError, Several), match=r"file:\d+: "):
        CliRunner().invoke(app, ["cluster", "check", str(file)], catch_exceptions=False)

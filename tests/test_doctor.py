"""What the doctor says of the Ray address: what `launch` does with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mersearch.cli import app
from mersearch.doctor import Finding, examine


def about_ray(address: str | None, folder: Path) -> Finding:
    return next(finding for finding in examine(folder, address) if finding.topic == "ray")


@pytest.mark.parametrize(
    ("variable", "text"), [("auto", "joins the Ray"), ("local", "a private Ray"), ("", "a private Ray")]
)
def test_the_addresses_that_launch_accepts_without_a_port_are_well(
    variable: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    finding = about_ray(None, tmp_path)
    assert not finding.blocking
    assert text in finding.text


def test_a_ray_client_is_refused_as_launch_refuses_it(tmp_path: Path) -> None:
    finding = about_ray("ray://127.0.0.1:10001", tmp_path)
    assert finding.blocking
    assert "not through a Ray client: ray://127.0.0.1:10001" in finding.text


@pytest.mark.parametrize(
    ("root", "why"),
    [
        ("file", "file: File exists"),
        ("file/runs", "Not a directory"),
        (f"new/{'n' * 300}", "File name too long"),
        ("/proc/none/runs", "/proc/none: "),
    ],
)
def test_a_folder_of_runs_that_cannot_be_made_ends_the_doctor_with_2_and_leaves_nothing(
    root: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["doctor", "--root", root])
    assert told.exit_code == 2
    text = " ".join(told.output.split())
    assert "it cannot be written to" in text
    assert why in text
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_a_folder_of_runs_that_can_be_made_is_well_and_not_made(tmp_path: Path) -> None:
    (finding,) = [each for each in examine(tmp_path / "far/away") if each.topic == "disk"]
    assert not finding.blocking
    assert not list(tmp_path.iterdir())

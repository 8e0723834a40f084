"""What the doctor says of the Ray address: what `launch` does with it."""

from __future__ import annotations

from pathlib import Path

import pytest

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

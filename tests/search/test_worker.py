from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from mersearch import numerics
from mersearch.config import compose
from mersearch.errors import ConfigError
from mersearch.search.worker import Study, remark_on
from mersearch.store import FoldPlan

MODE = numerics.numeric_mode(2, 4, "loop", "cpu")


def test_a_worker_in_the_mode_of_the_run_has_nothing_to_remark() -> None:
    assert remark_on(MODE) == ""


def test_a_worker_on_another_processor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "_processor", lambda: "a processor of another cluster node")
    text = remark_on(MODE)
    assert "agree within tolerance only" in text
    assert text.endswith(f"device_name: {MODE['device_name']} → a processor of another cluster node")


def test_a_worker_that_cannot_import_the_algorithm_says_so_before_it_reads_any_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(numerics, "apply", lambda mode: None)
    config = compose("quintuplet", [])
    elsewhere = dataclasses.replace(config.algorithm, name="only_on_another_machine:Mine")
    plan = FoldPlan(("a", "b"), 1, ("happiness",), ((1,), (1,)))
    config = dataclasses.replace(config, algorithm=elsewhere)
    study = Study(tmp_path / "nowhere", None, "", plan, config, MODE, tmp_path)
    with pytest.raises(
        ConfigError, match=rf"cannot be imported\n.*{socket.gethostname()}: .*\n.*on every machine"
    ):
        study.open()

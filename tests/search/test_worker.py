from __future__ import annotations

import pytest

from mersearch import numerics
from mersearch.search.worker import remark_on

MODE = numerics.numeric_mode(2, 4, "loop", "cpu")


def test_a_worker_in_the_mode_of_the_run_has_nothing_to_remark() -> None:
    assert remark_on(MODE) == ""


def test_a_worker_on_another_processor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "_processor", lambda: "a processor of another cluster node")
    text = remark_on(MODE)
    assert "agree within tolerance only" in text
    assert text.endswith(f"device_name: {MODE['device_name']} → a processor of another cluster node")

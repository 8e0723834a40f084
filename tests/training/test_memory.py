"""Memory that can be had: what a container may forget and what torch only keeps are not taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mersearch.training import memory

CPU, CARD = torch.device("cpu"), torch.device("cuda")


def test_files_that_a_container_may_forget_are_free_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    monkeypatch.setattr(memory, "_of_machine", lambda: 10_000)
    assert memory.available(CPU) == 10_000, "no control group"
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    assert memory.available(CPU) == 100
    (tmp_path / "memory.stat").write_text("anon 200\ninactive_file 600\nactive_file 100\n")
    assert memory.available(CPU) == 1000 - 900 + 600
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available(CPU) == 10_000


def test_blocks_of_a_card_that_torch_only_keeps_are_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 50)
    assert memory.available(CARD) == 100 + 700 - 50


@pytest.mark.parametrize("used", [False, True])
def test_cards_are_given_back_only_where_one_was_used(used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[None] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: used)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append(None))
    memory.release()
    assert len(calls) == used
